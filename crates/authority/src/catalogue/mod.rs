//! The catalogue: apps that are known, and how each says who it is.
//!
//! A client's name for itself is its own claim and easily copied. What follows from
//! it is little and certain: an app that says that it is another one than the
//! password was made for, is. So a password made for Thunderbird refuses from its
//! first use what calls itself DAVx5, before any pin exists. Everything else is the
//! app lock's to judge.
//!
//! Two rules keep honest apps from being refused. What is not known objects to
//! nothing: an app of the owner's own naming, and one of the catalogue at a protocol
//! where nobody has found out what it says, pin on first use. And a name that belongs
//! to a library (`okhttp`, `curl`) does not make a client another app, except where
//! all names of the password's own app are known.
//!
//! A client that gives no name is called what it looks like ([`Looks`]), so that its
//! owner reads "mutt or NeoMutt" and not "an app". That names it, for people to read,
//! and decides nothing: neither an objection nor the lock asks how an entry looks.
//!
//! Strings that a client chose go in here and come out as names of the catalogue:
//! that is the only way from a client to a page or a mail.

mod app;
mod product;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

pub use app::{App, AppId, Looks, Name, NotAnAppId, Platform, Says, Source, When};
pub use fingerprint::{Look, NotALook};
pub use product::Product;

use crate::{AppName, Protocol, Signature};

/// All apps that a site knows. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    known: Arc<Known>,
    /// Forms of apps that owners' passwords have taught.
    learnt: Arc<HashSet<(AppId, Signature)>>,
}

#[derive(Debug, Default)]
struct Known {
    /// By display name.
    apps: Vec<App>,
    /// Short names, display names and other names, in lower case.
    called: HashMap<String, usize>,
    says: HashMap<(Protocol, Product), Vec<usize>>,
}

/// Why a client cannot be the app that a password was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection<'a> {
    /// It says that it is this one.
    Another(&'a App),
    /// It gives a name that the app never does, and that nobody known does.
    Stranger,
    /// It does not say who it is, and the app always does.
    Silent,
}

/// Apps that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACatalogue {
    /// Two entries answer to one name.
    #[error("{0} and {1} are both called {2:?}: give one of them another name")]
    SameName(AppId, AppId, String),
    /// A client with this name could be either.
    #[error(
        "{0} and {1} both say {2:?} at {proto}: name one as the other's kin if nothing tells them apart, or mark the name as shared if it is a library's",
        proto = .3.name()
    )]
    SameWords(AppId, AppId, String, Protocol),
    /// There is no such app.
    #[error("{0} has {1} for kin, and there is no such app: correct its short name")]
    NoKin(AppId, AppId),
}

impl NotACatalogue {
    /// The entries that it is about: one of them is to be corrected.
    pub fn about(&self) -> [&AppId; 2] {
        match self {
            Self::SameName(one, other, _) | Self::SameWords(one, other, ..) | Self::NoKin(one, other) => [one, other],
        }
    }
}

impl Known {
    fn no_two_say_the_same(&self) -> Result<(), NotACatalogue> {
        for ((protocol, product), who) in &self.says {
            let pairs =
                who.iter().enumerate().flat_map(|(at, one)| who[at + 1..].iter().map(move |other| (one, other)));
            for (one, other) in pairs.map(|(one, other)| (&self.apps[*one], &self.apps[*other])) {
                let both_share = [one, other].iter().all(|app| shares(app, *protocol, product));
                if !kin(one, other) && !both_share {
                    let (one, other) = (one.id.clone(), other.id.clone());
                    return Err(NotACatalogue::SameWords(one, other, product.to_string(), *protocol));
                }
            }
        }
        Ok(())
    }
}

impl Catalogue {
    /// Of these apps.
    ///
    /// # Errors
    /// Two of them answer to the same name, or say the same without being kin.
    pub fn new(mut apps: Vec<App>) -> Result<Self, NotACatalogue> {
        apps.sort_by_cached_key(|app| app.name.as_str().to_lowercase());
        let mut known = Known { apps, ..Known::default() };
        for (at, app) in known.apps.iter().enumerate() {
            let names = [&app.name].into_iter().chain(&app.also).map(|name| fold(name.as_str()));
            for name in names.chain([app.id.to_string()]) {
                match known.called.insert(name.clone(), at) {
                    Some(other) if other != at => {
                        let other = known.apps[other].id.clone();
                        return Err(NotACatalogue::SameName(other, app.id.clone(), name));
                    }
                    _ => {}
                }
            }
            for (protocol, name) in names_of(app) {
                let who = known.says.entry((protocol, name.product.clone())).or_default();
                if !who.contains(&at) {
                    who.push(at);
                }
            }
        }
        for app in &known.apps {
            if let Some(missing) = app.kin.iter().find(|kin| !known.called.contains_key(kin.as_str())) {
                return Err(NotACatalogue::NoKin(app.id.clone(), missing.clone()));
            }
        }
        known.no_two_say_the_same()?;
        Ok(Self { known: Arc::new(known), learnt: Arc::default() })
    }

    /// The same apps, with these forms of theirs in place of those learnt before.
    #[must_use]
    pub fn with_learnt(&self, forms: impl IntoIterator<Item = (AppId, Signature)>) -> Self {
        Self { known: self.known.clone(), learnt: Arc::new(forms.into_iter().collect()) }
    }

    /// The same apps, with what another edition of the catalogue had learnt of them.
    #[must_use]
    pub fn with_learnt_by(&self, other: &Self) -> Self {
        Self { known: self.known.clone(), learnt: other.learnt.clone() }
    }

    /// True if this is a form of the app that owners' passwords have taught.
    pub fn has_learnt(&self, app: &AppName, form: &Signature) -> bool {
        !self.learnt.is_empty()
            && self.find(app).is_some_and(|app| self.learnt.contains(&(app.id.clone(), form.clone())))
    }

    /// The forms of apps that owners' passwords have taught, in no order.
    pub fn learnt(&self) -> impl Iterator<Item = (&AppId, &Signature)> {
        self.learnt.iter().map(|(app, form)| (app, form))
    }

    /// All apps, by display name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &App> {
        self.known.apps.iter()
    }

    /// The app of this name: short, shown, or another that people use; in any case.
    pub fn find(&self, name: &AppName) -> Option<&App> {
        self.called(name.as_str())
    }

    /// The app with this short name.
    pub fn get(&self, id: &AppId) -> Option<&App> {
        self.called(id.as_str()).filter(|app| app.id == *id)
    }

    fn called(&self, name: &str) -> Option<&App> {
        self.known.called.get(&fold(name)).map(|at| &self.known.apps[*at])
    }

    /// As people call it: a password's app may be kept as the short name. One of the
    /// other names is what somebody chose to call it, and stays.
    pub fn shown<'a>(&'a self, name: &'a AppName) -> &'a str {
        let proper =
            |app: &&App| [app.id.as_str(), app.name.as_str()].iter().any(|own| fold(own) == fold(name.as_str()));
        self.find(name).filter(proper).map_or(name.as_str(), |app| app.name.as_str())
    }

    /// Every name that an app answers to, for who has mistyped one.
    pub fn names(&self) -> impl Iterator<Item = (&str, &App)> {
        self.known.called.iter().map(|(name, at)| (name.as_str(), &self.known.apps[*at]))
    }

    /// The apps that call themselves so there; what was declared may have versions.
    pub fn who(&self, protocol: Protocol, declared: &str) -> impl Iterator<Item = &App> {
        let product = Product::of(declared);
        let who = product.and_then(|product| self.known.says.get(&(protocol, product)));
        who.into_iter().flatten().map(|at| &self.known.apps[*at])
    }

    /// What to call a client, on pages and in mails: "Thunderbird", "mutt or NeoMutt". By
    /// what it says of itself; by how it looks if it says nothing. `None` if nobody is
    /// known to say that, or to look so.
    pub fn name_of(&self, client: &Signature) -> Option<String> {
        let who: Vec<&App> = match client.declared() {
            Some(name) => self.who(client.protocol(), name).collect(),
            None => self.iter().filter(|app| app.looks_like(client)).collect(),
        };
        let names: Vec<&str> = who.iter().map(|app| app.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(" or "))
    }

    /// True if what the one says of itself is as good as the other's: the same app,
    /// or kin by the entry of either.
    pub fn are_kin(&self, one: &AppName, other: &AppName) -> bool {
        match (self.find(one), self.find(other)) {
            (Some(one), Some(other)) => kin(one, other),
            (None, None) => fold(one.as_str()) == fold(other.as_str()),
            _ => false,
        }
    }

    /// True if the app of this name calls itself so there, and it is a name of its own.
    pub fn is_own_name(&self, app: &AppName, protocol: Protocol, declared: &str) -> bool {
        let (Some(app), Some(product)) = (self.find(app), Product::of(declared)) else { return false };
        names_of(app).any(|(at, name)| at == protocol && name.product == product && !name.shared)
    }

    /// Why a client that declares this, or nothing, cannot be the app that a password
    /// was made for. `None`: nothing is known against it. To be asked once the client
    /// has shown itself: before its first data command on IMAP, silence is no sign.
    pub fn objects(&self, made_for: &AppName, protocol: Protocol, declared: Option<&str>) -> Option<Objection<'_>> {
        let app = self.find(made_for)?;
        let Some(product) = declared.and_then(Product::of) else {
            let kin = self.known.apps.iter().filter(|other| kin(app, other) && other.speaks(protocol));
            let never_silent = app.speaks(protocol) && kin.map(|app| app.says(protocol)).all(Says::is_always_said);
            return never_silent.then_some(Objection::Silent);
        };
        let who = self.known.says.get(&(protocol, product.clone())).map_or(&[][..], Vec::as_slice);
        let who = || who.iter().map(|at| &self.known.apps[*at]);
        if who().any(|other| kin(app, other)) {
            return None;
        }
        let knows_all = matches!(app.says(protocol), Says::Names { all: true, .. });
        match who().next() {
            Some(other) if knows_all || !shares(other, protocol, &product) => Some(Objection::Another(other)),
            None if knows_all => Some(Objection::Stranger),
            _ => None,
        }
    }
}

fn names_of(app: &App) -> impl Iterator<Item = (Protocol, &Name)> {
    app.doors.iter().flat_map(|(protocol, says)| says.names().iter().map(|name| (*protocol, name)))
}

/// True if the app says this there, and it is a library's name.
fn shares(app: &App, protocol: Protocol, product: &Product) -> bool {
    names_of(app).any(|(at, name)| at == protocol && name.product == *product && name.shared)
}

fn kin(one: &App, other: &App) -> bool {
    one.id == other.id || one.kin.contains(&other.id) || other.kin.contains(&one.id)
}

/// Names of apps are compared in any case.
fn fold(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests;
