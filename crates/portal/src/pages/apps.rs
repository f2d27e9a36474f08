//! Apps that people know by name, and what each asks for.

use authority::{Scope, catalogue};

use crate::{Settings, words};

/// An app of the list, with the boxes that it asks for, parted by spaces.
pub(super) struct App {
    pub(super) name: String,
    pub(super) opens: String,
}

/// Offered by name; any other name will do.
pub(super) fn apps(settings: &Settings) -> Vec<App> {
    let opens = |app: &catalogue::App| app.opens.iter().map(field).collect::<Vec<_>>().join(" ");
    settings.catalogue.iter().map(|app| App { name: app.name.to_string(), opens: opens(app) }).collect()
}

/// A box to tick.
pub(super) struct Choice {
    pub(super) scope: Scope,
    /// The box's name in the form.
    pub(super) field: String,
    pub(super) text: String,
}

/// What passwords made here can open: what some door of this site asks for.
pub(super) fn choices(settings: &Settings) -> Vec<Choice> {
    let needs = settings.doors.iter().flat_map(|help| help.door.needs.iter());
    let mut scopes: Vec<Scope> = needs
        .map(|need| match need {
            Scope::Read(area) => Scope::Full(*area),
            other => other.clone(),
        })
        .collect();
    scopes.sort();
    scopes.dedup();
    let choice = |scope: Scope| Choice { field: field(&scope), text: words::choice(&scope), scope };
    scopes.into_iter().map(choice).collect()
}

fn field(scope: &Scope) -> String {
    match scope {
        // Apart, so that a site's own service may be called `label`.
        Scope::Custom(name) => format!("custom_{name}"),
        other => other.to_string().replace(':', "_"),
    }
}
