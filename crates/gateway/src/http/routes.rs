//! Which paths of one server hold which kinds of data, as Nextcloud keeps
//! calendars, contacts and files under one address.

use authority::{Door, Needs};
use protocols::http::Path;

use super::act::Act;

/// A path and what it takes there.
#[derive(Clone, Debug)]
pub struct Route {
    /// As clients see it.
    pub path: Path,
    /// Only itself, and nothing beneath.
    pub exact: bool,
    /// What it takes to change something there; to read takes the reading side.
    pub needs: Needs,
}

/// A door, for those who change something and for those who only read.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    changing: Door,
    reading: Door,
}

impl Ways {
    pub(super) fn new(door: Door) -> Self {
        let reading = Door { needs: door.needs.reading(), ..door.clone() };
        Self { changing: door, reading }
    }

    pub(super) fn door(&self, act: Act) -> &Door {
        match act {
            Act::Reads => &self.reading,
            Act::Changes => &self.changing,
        }
    }
}

/// All routes of a door.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    /// The longest first.
    routes: Vec<(Route, Ways)>,
}

impl Routes {
    /// The routes of a door that is called like `door`.
    pub(super) fn new(door: &Door, mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.as_str().len()));
        let ways = |route: Route| {
            let ways = Ways::new(Door { needs: route.needs.clone(), ..door.clone() });
            (route, ways)
        };
        Self { routes: routes.into_iter().map(ways).collect() }
    }

    /// What lies at a path; `None` where nothing is served.
    pub(super) fn at(&self, path: &Path) -> Option<&Ways> {
        let holds = |route: &Route| match route.exact {
            true => route.path.as_str() == path.as_str(),
            false => path.is_within(&route.path),
        };
        self.routes.iter().find(|(route, _)| holds(route)).map(|(_, ways)| ways)
    }

    /// What else lies beneath a path.
    pub(super) fn beneath(&self, path: &Path) -> impl Iterator<Item = &Ways> {
        let beneath = move |route: &Route| route.path.is_within(path) && route.path.as_str() != path.as_str();
        self.routes.iter().filter(move |(route, _)| beneath(route)).map(|(_, ways)| ways)
    }
}

#[cfg(test)]
mod tests {
    use authority::{Protocol, Scopes};

    use super::*;

    fn routes(list: &[(&str, bool, &str)]) -> Routes {
        let door = Door { name: "cloud".into(), protocol: Protocol::Http, needs: Needs::what_nobody_has() };
        let route = |(path, exact, data): &(&str, bool, &str)| Route {
            path: Path::parse(path).unwrap(),
            exact: *exact,
            needs: data.parse::<Scopes>().unwrap().into(),
        };
        Routes::new(&door, list.iter().map(route).collect())
    }

    #[test]
    fn the_longest_route_counts_and_without_one_there_is_nothing() {
        let routes = routes(&[
            ("/remote.php/dav/", true, "files"),
            ("/remote.php/dav/calendars/", false, "calendars"),
            ("/remote.php/dav/calendars/alice/wiki", false, "wiki"),
            ("/remote.php/dav/addressbooks/", false, "contacts"),
        ]);
        for (path, needs) in [
            ("/remote.php/dav", Some("files")),
            ("/remote.php/dav/", Some("files")),
            ("/remote.php/dav/uploads/", None),
            ("/remote.php/dav/calendars", Some("calendars")),
            ("/remote.php/dav/calendars/alice/home/1.ics", Some("calendars")),
            ("/remote.php/dav/%63alendars/alice/", Some("calendars")),
            ("/remote.php/dav/calendars/alice/wiki/", Some("wiki")),
            ("/remote.php/dav/calendars/alice/wikis", Some("calendars")),
            ("/remote.php/dav/calendarsx", None),
            ("/remote.php/DAV/calendars/", None),
            ("/", None),
        ] {
            let found = routes.at(&Path::parse(path).unwrap()).map(|ways| ways.door(Act::Changes).needs.to_string());
            assert_eq!(found.as_deref(), needs, "{path}");
        }
        assert_eq!(routes.beneath(&Path::parse("/remote.php/dav").unwrap()).count(), 3);
        assert_eq!(routes.beneath(&Path::parse("/remote.php/dav/calendars").unwrap()).count(), 1);
        assert_eq!(routes.beneath(&Path::root()).count(), 4);
    }
}
