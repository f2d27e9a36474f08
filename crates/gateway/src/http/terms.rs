//! What a request has to bring to pass: by its method, its path, and where it
//! puts things.

use std::borrow::Cow;

use authority::{Door, Needs};
use http::{StatusCode, request::Parts};
use protocols::http::Path;

use super::{
    act::{self, Act},
    handover::Prefix,
    kinds::ByKind,
    routes::{Routes, Ways},
};

/// Where there is what.
pub(super) enum Serves {
    /// The same everywhere.
    Whole(Ways),
    /// By path.
    Routes(Routes),
    /// By what each collection says that it is, once somebody is in.
    ByKind(Ways, Box<ByKind>),
}

/// The terms of one door.
pub(super) struct Terms {
    pub(super) serves: Serves,
    pub(super) prefix: Option<Prefix>,
    /// The way to where nothing is.
    nowhere: Door,
}

/// What one request asks for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) door: Cow<'a, Door>,
    /// False where nobody may go, with whatever password.
    pub(super) is_served: bool,
}

impl Terms {
    pub(super) fn new(door: &Door) -> Self {
        let nowhere = Door { needs: Needs::what_nobody_has(), ..door.clone() };
        Self { serves: Serves::Whole(Ways::new(door.clone())), prefix: None, nowhere }
    }

    /// Judges the head of a request.
    ///
    /// # Errors
    /// It can be read in more ways than one, or names another server.
    pub(super) fn of(&self, request: &Parts) -> Result<Asked<'_>, StatusCode> {
        let act = Act::of(&request.method);
        if let (Serves::Whole(ways), None) = (&self.serves, &self.prefix) {
            // Nothing depends on the path: what it means is up to the server behind.
            return Ok(Asked { door: Cow::Borrowed(ways.door(act)), is_served: true });
        }
        let path = Path::parse(request.uri.path()).map_err(|_| StatusCode::BAD_REQUEST)?;
        let destination = act::destination(request)?;
        let is_inside = |path: &Path| self.prefix.as_ref().is_none_or(|prefix| path.is_within(prefix.path()));
        if !is_inside(&path) || !destination.as_ref().is_none_or(is_inside) {
            return Ok(self.nowhere());
        }
        match &self.serves {
            Serves::Whole(ways) | Serves::ByKind(ways, _) => {
                Ok(Asked { door: Cow::Borrowed(ways.door(act)), is_served: true })
            }
            Serves::Routes(routes) => Ok(self.by_route(routes, request, &path, destination.as_ref())),
        }
    }

    fn by_route<'a>(
        &'a self,
        routes: &'a Routes,
        request: &Parts,
        path: &Path,
        destination: Option<&Path>,
    ) -> Asked<'a> {
        let act = Act::of(&request.method);
        let Some(ways) = routes.at(path).filter(|_| act::names_all_it_touches(&request.method)) else {
            return self.nowhere();
        };
        // What is copied is only read.
        let at_source = if request.method.as_str() == "COPY" { Act::Reads } else { act };
        let mut door = Cow::Borrowed(ways.door(at_source));
        let mut also = |more: &Door| {
            if more.needs != door.needs {
                let needs = door.needs.and(&more.needs);
                door.to_mut().needs = needs;
            }
        };
        if act::reaches_beneath(request) {
            routes.beneath(path).for_each(|ways| also(ways.door(at_source)));
        }
        if let Some(destination) = destination {
            let Some(ways) = routes.at(destination) else { return self.nowhere() };
            also(ways.door(Act::Changes));
            routes.beneath(destination).for_each(|ways| also(ways.door(Act::Changes)));
        }
        Asked { door, is_served: true }
    }

    fn nowhere(&self) -> Asked<'_> {
        Asked { door: Cow::Borrowed(&self.nowhere), is_served: false }
    }
}
