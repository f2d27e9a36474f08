//! One app's file: read once, whole, into an entry of the catalogue.

use authority::{
    AppName, Protocol, Scopes,
    catalogue::{App, AppId, Look, Looks, Name, Platform, Product, Says, Source, When},
};
use serde::{Deserialize, Deserializer, de::Error};

/// The file, key by key. `docs/apps.md` says what each means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppFile {
    #[serde(deserialize_with = "text")]
    name: AppName,
    #[serde(default, deserialize_with = "texts")]
    also: Vec<AppName>,
    publisher: String,
    #[serde(deserialize_with = "platforms")]
    platforms: Vec<Platform>,
    #[serde(deserialize_with = "text")]
    opens: Scopes,
    #[serde(default, deserialize_with = "texts")]
    kin: Vec<AppId>,
    #[serde(default)]
    hints: Vec<String>,
    imap: Option<Door>,
    submission: Option<Door>,
    pop3: Option<Door>,
    sieve: Option<Door>,
    http: Option<Door>,
}

/// What it says of itself at one protocol.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Door {
    says: How,
    #[serde(default)]
    names: Vec<NameFile>,
    /// True if it may give names that are not among these.
    #[serde(default)]
    more: bool,
    looked: Option<String>,
    /// How it looks when it says nothing.
    #[serde(default)]
    looks: Vec<LooksFile>,
    seen: Option<String>,
    public: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Always,
    Sometimes,
    Nothing,
    Unknown,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NameFile {
    name: String,
    #[serde(default)]
    shared: bool,
    seen: Option<String>,
    public: Option<String>,
}

/// Two parts of a signature.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LooksFile {
    form: String,
    opening: Option<String>,
    seen: Option<String>,
    public: Option<String>,
}

impl AppFile {
    /// The entry with this short name.
    ///
    /// # Errors
    /// Name the key, and say what to write.
    pub(super) fn into_app(self, id: AppId) -> Result<App, String> {
        let doors = [
            (Protocol::Imap, self.imap),
            (Protocol::Submission, self.submission),
            (Protocol::Pop3, self.pop3),
            (Protocol::Sieve, self.sieve),
            (Protocol::Http, self.http),
        ];
        let (mut known, mut looks) = (Vec::new(), Vec::new());
        for (protocol, door) in doors.into_iter().filter_map(|(protocol, door)| Some((protocol, door?))) {
            let no = |what: String| format!("[{}] {what}", protocol.name());
            let (says, seen) = door.says_and_looks(protocol).map_err(no)?;
            known.push((protocol, says));
            looks.extend(seen);
        }
        Ok(App {
            id,
            name: self.name,
            also: self.also,
            publisher: self.publisher,
            platforms: self.platforms,
            opens: self.opens,
            doors: known,
            looks,
            kin: self.kin,
            hints: self.hints,
        })
    }
}

impl Door {
    fn says_and_looks(mut self, protocol: Protocol) -> Result<(Says, Vec<Looks>), String> {
        let looks = std::mem::take(&mut self.looks);
        if self.says == How::Always && !looks.is_empty() {
            return Err("looks are of apps that may say nothing: leave them out, or write \"sometimes\"".into());
        }
        let looks = looks.into_iter().map(|one| one.into_looks(protocol)).collect::<Result<_, _>>()?;
        Ok((self.says()?, looks))
    }

    fn says(self) -> Result<Says, String> {
        if self.says != How::Unknown && self.looked.is_some() {
            return Err("looked is for says = \"unknown\": write seen or public".into());
        }
        let when = match (self.says, &*self.names) {
            (How::Unknown, []) if self.seen.is_none() && self.public.is_none() && !self.more => {
                return Ok(Says::Unknown { looked: self.looked });
            }
            (How::Unknown, _) => {
                return Err("says = \"unknown\" goes with no names and no source: write \"sometimes\"".into());
            }
            (How::Nothing, []) if !self.more => When::Sometimes,
            (How::Nothing, _) => return Err("says = \"nothing\" goes with no names: write \"sometimes\"".into()),
            (How::Always, []) => return Err("says = \"always\" needs names: write what it says".into()),
            (How::Always, _) => When::Always,
            (How::Sometimes, _) => When::Sometimes,
        };
        let source = source(self.seen, self.public).map_err(|what| format!("says: {what}"))?;
        let names = self.names.into_iter().map(NameFile::into_name).collect::<Result<_, _>>()?;
        Ok(Says::Names { names, all: !self.more, when, source })
    }
}

impl NameFile {
    fn into_name(self) -> Result<Name, String> {
        let no = |what: &str| format!("name {:?}: {what}", self.name);
        let product =
            Product::of(&self.name).ok_or_else(|| no("nothing is left of it without versions and brackets"))?;
        let source = source(self.seen, self.public).map_err(|what| no(&what))?;
        Ok(Name { text: self.name, product, shared: self.shared, source })
    }
}

impl LooksFile {
    fn into_looks(self, protocol: Protocol) -> Result<Looks, String> {
        let no = |what: String| format!("looks {:?}: {what}", self.form);
        let look = Look::new(protocol, &self.form, self.opening.as_deref()).map_err(|error| no(error.to_string()))?;
        let source = source(self.seen, self.public).map_err(|what| format!("looks {:?}: {what}", look.form()))?;
        Ok(Looks { look, source })
    }
}

/// Nobody can check a string of which nobody says where it is from.
fn source(seen: Option<String>, public: Option<String>) -> Result<Source, String> {
    match (seen, public) {
        (Some(version), None) if !version.trim().is_empty() => Ok(Source::Seen(version)),
        (None, Some(place)) if !place.trim().is_empty() => Ok(Source::Public(place)),
        _ => Err("where is it from? write seen = \"VERSION\", or public = \"PLACE\"".into()),
    }
}

fn text<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(d: D) -> Result<T, D::Error> {
    String::deserialize(d)?.parse().map_err(D::Error::custom)
}

fn texts<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(d: D) -> Result<Vec<T>, D::Error> {
    Vec::<String>::deserialize(d)?.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

fn platforms<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Platform>, D::Error> {
    let platform = |word: &String| {
        Platform::ALL.iter().copied().find(|platform| platform.word() == word).ok_or_else(|| {
            let known: Vec<&str> = Platform::ALL.iter().map(|platform| platform.word()).collect();
            D::Error::custom(format!("{word:?} is no platform: write {}", known.join(", ")))
        })
    };
    Vec::<String>::deserialize(d)?.iter().map(platform).collect()
}
