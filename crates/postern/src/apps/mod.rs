//! The catalogue of apps as a site has it: what comes with Postern, and what the
//! site adds or puts in its place.

mod file;
mod shipped;
mod told;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use authority::{
    AppName, Catalogue,
    catalogue::{App, AppId},
};

pub(crate) use self::told::{list, show};
use self::{file::AppFile, shipped::SHIPPED};
use crate::config::ConfigError;

/// Short names of the apps that come with Postern.
pub(crate) fn shipped_ids() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(id, _)| *id)
}

/// The apps that come with Postern alone.
pub(crate) fn shipped() -> Result<Catalogue, ConfigError> {
    load(Vec::new())
}

/// The apps that come with Postern, and over them those of a folder: one file each,
/// called by its short name.
///
/// # Errors
/// Name the file, the line and the key.
pub(crate) fn with_folder(folder: &Path) -> Result<Catalogue, ConfigError> {
    load(own_files(folder)?)
}

fn load(own: Vec<(PathBuf, String)>) -> Result<Catalogue, ConfigError> {
    let mut all: Vec<(PathBuf, App)> = Vec::new();
    for (id, text) in SHIPPED {
        let place = PathBuf::from(format!("apps/{id}.toml"));
        let app = read(&place, text)?;
        all.push((place, app));
    }
    for (place, text) in own {
        let app = read(&place, &text)?;
        // Moved to the end: what is wrong between two is told of the site's own.
        all.retain(|(_, known)| known.id != app.id);
        all.push((place, app));
    }
    let places: Vec<(PathBuf, AppId)> = all.iter().map(|(place, app)| (place.clone(), app.id.clone())).collect();
    Catalogue::new(all.into_iter().map(|(_, app)| app).collect()).map_err(|error| {
        let about = places.iter().rfind(|(_, id)| error.about().contains(&id));
        ConfigError::whole(about.map_or(Path::new("apps"), |(place, _)| place), error.to_string())
    })
}

fn read(place: &Path, text: &str) -> Result<App, ConfigError> {
    let id = place.file_stem().unwrap_or_default().to_string_lossy();
    let id: AppId = id.parse().map_err(|error| ConfigError::whole(place, format!("the file's name: {error}")))?;
    let file: AppFile = toml::from_str(text).map_err(|error| ConfigError::toml(place, text, &error))?;
    file.into_app(id).map_err(|what| ConfigError::whole(place, what))
}

/// The files of the folder, by name.
fn own_files(folder: &Path) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    let unreadable = |place: &Path| {
        let place = place.to_owned();
        move |error: io::Error| {
            ConfigError::whole(&place, format!("cannot be read ({error}): let Postern's user read it"))
        }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            files.push((path, text));
        }
    }
    files.sort();
    Ok(files)
}

/// What to tell who made a password for a name that the catalogue does not have, and
/// that is one letter from one that it has. Any name will do, so this is no error.
pub(crate) fn near_miss(catalogue: &Catalogue, name: &AppName) -> Option<String> {
    if catalogue.find(name).is_some() {
        return None;
    }
    let typed = name.as_str().to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&typed, known);
    let (known, app) = catalogue.names().min_by_key(|(known, app)| (distance(known), app.id.clone()))?;
    // Of a short name, two letters are another word.
    let near = distance(known) <= if typed.chars().count() > 5 { 2 } else { 1 };
    near.then(|| {
        format!(
            "{name:?} is not in the catalogue of apps: the password is bound to whatever uses it first; if you meant {}, revoke it and use --app {}",
            app.name, app.id, name = name.as_str()
        )
    })
}

#[cfg(test)]
mod tests;
