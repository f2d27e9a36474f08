//! A browser without JavaScript: keeps cookies, follows redirects when told,
//! fills in forms that it finds on a page.

use std::{collections::BTreeMap, net::IpAddr};

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use portal::{Caller, Portal};
use tower::ServiceExt;

use crate::world::HOME;

#[derive(Clone)]
pub(crate) struct Browser {
    portal: Portal,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) peer: IpAddr,
    /// Sent with every request.
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) type Fields = Vec<(String, String)>;

impl Browser {
    pub(crate) fn new(portal: &Portal) -> Self {
        let headers = HeaderMap::new();
        Self { portal: portal.clone(), cookies: BTreeMap::new(), peer: HOME.parse().unwrap(), headers }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A GET that has to show a page.
    pub(crate) async fn open(&mut self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        page
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &Fields, headers: &[(&'static str, &str)]) -> Page {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(serde_urlencoded::to_string(fields).unwrap()))
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        self.send(request).await
    }

    /// Fills in the form of a page that is sent to `action`, and sends it.
    pub(crate) async fn submit(&mut self, page: &Page, action: &str, filled: &[(&str, &str)]) -> Page {
        let fields = page.form(action, filled);
        self.post(action, &fields, &[("sec-fetch-site", "same-origin")]).await
    }

    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(Caller(self.peer));
        let is_get = request.method() == Method::GET;
        let path = request.uri().path().to_owned();
        let (parts, body) = self.portal.router().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let page = Page { status: parts.status, headers: parts.headers, text };
        page.is_guarded(&path, is_get);
        page
    }

    /// Both factors; ends on the page that the sign-in leads to.
    pub(crate) async fn sign_in(&mut self, login: &str, password: &str, code: &str) -> Page {
        let form = self.open("/sign-in").await;
        let begun = self.submit(&form, "/sign-in", &[("login", login), ("password", password)]).await;
        assert_eq!(begun.leads_to(), "/sign-in/code", "{}", begun.text);
        let form = self.open("/sign-in/code").await;
        let done = self.submit(&form, "/sign-in/code", &[("code", code)]).await;
        assert_eq!(done.leads_to(), "/security", "{}", done.text);
        self.open("/security").await
    }

    /// Generates an app password: the page that shows it.
    pub(crate) async fn generate(&mut self, label: &str, opens: &[&str]) -> Page {
        let form = self.open("/security/app-passwords/new").await;
        let mut filled = vec![("app", "Thunderbird"), ("label", label)];
        filled.extend(opens.iter().map(|scope| (*scope, "on")));
        let shown = self.submit(&form, "/security/app-passwords/new", &filled).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        shown
    }

    pub(crate) fn session(&self) -> &str {
        &self.cookies["__Host-postern"]
    }
}

impl Page {
    /// Where a redirect leads.
    pub(crate) fn leads_to(&self) -> &str {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.text);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The hidden fields of the form with this action, and what is filled in.
    pub(crate) fn form(&self, action: &str, filled: &[(&str, &str)]) -> Fields {
        let open = format!("action=\"{action}\"");
        let start = self.text.find(&open).unwrap_or_else(|| panic!("no form {action} in {}", self.text));
        let form = &self.text[start..start + self.text[start..].find("</form>").unwrap()];
        let hidden = form.split("<input type=\"hidden\"").skip(1).map(|input| {
            let attribute = |name: &str| input.split(name).nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
            (attribute(" name="), attribute(" value="))
        });
        for (name, _) in filled {
            assert!(form.contains(&format!("name=\"{name}\"")), "no field {name} in {form}");
        }
        hidden.chain(filled.iter().map(|(name, value)| ((*name).into(), (*value).into()))).collect()
    }

    /// The app password that is shown, if one is.
    pub(crate) fn secret(&self) -> Option<String> {
        let field = self.text.split("id=\"secret\"").nth(1)?;
        Some(field.split('>').nth(1)?.split('<').next()?.to_owned())
    }

    /// The address of the app password that this page is about.
    pub(crate) fn app_password(&self) -> String {
        let rest = self.text.split("data-doors=\"").nth(1).unwrap();
        rest.split("/doors\"").next().unwrap().to_owned()
    }

    pub(crate) fn recovery_codes(&self) -> Vec<String> {
        let list = self.text.split("<ol class=\"codes\">").nth(1).unwrap().split("</ol>").next().unwrap();
        list.split("<bdi dir=\"ltr\" translate=\"no\">")
            .skip(1)
            .map(|code| code.split('<').next().unwrap().into())
            .collect()
    }

    /// The key that is shown to be typed into an authenticator app.
    pub(crate) fn typed_key(&self) -> String {
        let rest = self.text.split("<p class=\"typed\"><bdi dir=\"ltr\" translate=\"no\">").nth(1).unwrap();
        rest.split('<').next().unwrap().into()
    }

    /// All addresses of ours that this page links to.
    pub(crate) fn links(&self) -> Vec<String> {
        let links = ["href=\"", "data-doors=\"", "src=\""].into_iter().flat_map(|attribute| {
            self.text.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned())
        });
        links.filter(|link| link.starts_with('/')).collect()
    }

    /// What must be true of every answer.
    fn is_guarded(&self, path: &str, is_get: bool) {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        if path.starts_with("/static/")
            && is_get
            && (self.status.is_success() || self.status == StatusCode::NOT_MODIFIED)
        {
            assert_eq!(header("cache-control"), "no-cache", "{path}");
        } else {
            assert_eq!(header("cache-control"), "no-store", "{path}");
        }
        // The policy would block it, and a page would look or act otherwise than it was written.
        assert!(
            !self.text.contains(" style=") && !self.text.contains("<script>") && !self.text.contains(" onclick="),
            "{path}"
        );
    }
}
