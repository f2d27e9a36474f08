//! `postern app list` and `show`: an entry as people and programs read it.

use authority::{
    Catalogue, Protocol,
    catalogue::{App, Looks, Says, When},
};
use serde_json::{Value, json};

/// A row for each app.
pub(crate) fn list(catalogue: &Catalogue) -> Value {
    catalogue.iter().map(row).collect()
}

fn row(app: &App) -> Value {
    let known = app.doors.iter().filter(|(_, says)| !matches!(says, Says::Unknown { .. }));
    json!({
        "app": app.id.as_str(),
        "name": app.name.as_str(),
        "publisher": app.publisher,
        "platforms": app.platforms.iter().map(|platform| platform.shown()).collect::<Vec<_>>(),
        "opens": app.opens.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "known_at": known.map(|(protocol, _)| protocol.name()).collect::<Vec<_>>(),
    })
}

/// All of one.
pub(crate) fn show(app: &App) -> Value {
    let mut answer = row(app);
    answer["also"] = app.also.iter().map(|name| name.as_str()).collect();
    answer["kin"] = app.kin.iter().map(|kin| kin.as_str()).collect();
    answer["hints"] = app.hints.clone().into();
    answer["doors"] = app.doors.iter().map(door).collect();
    answer["names"] = app.doors.iter().flat_map(|(protocol, says)| names(*protocol, says)).collect();
    answer["looks"] = app.looks.iter().map(looks).collect();
    answer
}

fn door((protocol, says): &(Protocol, Says)) -> Value {
    let (word, other_names, source) = match says {
        Says::Unknown { looked } => ("unknown", true, looked.as_ref().map(|place| format!("looked for in {place}"))),
        Says::Names { names, all, source, .. } if names.is_empty() && *all => {
            ("nothing", false, Some(source.to_string()))
        }
        Says::Names { when, all, source, .. } => {
            let word = match when {
                When::Always => "always",
                When::Sometimes => "sometimes",
            };
            (word, !all, Some(source.to_string()))
        }
    };
    json!({ "protocol": protocol.name(), "says": word, "other_names": other_names, "source": source })
}

fn looks(Looks { look, source }: &Looks) -> Value {
    json!({
        "protocol": look.protocol().name(),
        "form": look.form(),
        "opening": look.opening(),
        "source": source.to_string(),
    })
}

fn names(protocol: Protocol, says: &Says) -> Vec<Value> {
    let name = |name: &authority::catalogue::Name| {
        json!({
            "protocol": protocol.name(),
            "name": name.text,
            "shared": name.shared,
            "source": name.source.to_string(),
        })
    };
    says.names().iter().map(name).collect()
}
