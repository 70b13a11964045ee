//! Pages in browsers: which site a request comes from, and under which name it was sent here.

use axum::http::{HeaderMap, header};
use frazil_engine::project::Serve;
use url::{Host, Url};

/// Whether a browser says that a page of another site asks. Programs say nothing of the kind.
pub(crate) fn is_of_another_site(headers: &HeaderMap, serve: &Serve) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match said(header::ORIGIN.as_str()) {
        // A page may not be from a site at all: `null`, or `file://`.
        Some(origin) => !Url::parse(origin).is_ok_and(|origin| {
            let is_here = origin.host_str().is_some_and(|host| is_named(host, serve));
            is_here || origin.host().is_some_and(|host| is_this_machine(&host))
        }),
        None => said("sec-fetch-site") == Some("cross-site"),
    }
}

/// Whether a server on loopback is meant by what `Host` says. A name that leads here without having been
/// given to us is one that somebody made to lead here, so that pages of theirs may ask (DNS rebinding).
pub(crate) fn is_for_us(host: &str, serve: &Serve) -> bool {
    // An authority as it stands in a URL.
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    if !url.username().is_empty() || url.password().is_some() || url.path() != "/" {
        return false;
    }
    match url.host() {
        // An address cannot be made to lead elsewhere.
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        Some(Host::Domain(name)) => is_named(name, serve) || is_localhost(name),
        None => false,
    }
}

fn is_named(host: &str, serve: &Serve) -> bool {
    serve.names().any(|known| known.eq_ignore_ascii_case(host))
}

/// Browsers and resolvers lead these names to loopback alone.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve() -> Serve {
        let url = Some("https://maps.example.org:8443/land".parse().unwrap());
        Serve { hosts: vec!["data.example.org".to_owned()], url, ..Serve::default() }
    }

    #[test]
    fn names_that_others_lead_here_are_not_ours() {
        let serve = serve();
        for ours in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:80",
            "frazil.localhost:8080",
            "Data.example.org:443",
            "maps.example.org",
        ] {
            assert!(is_for_us(ours, &serve), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "data.example.org.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example/localhost",
            "evil.example#localhost",
        ] {
            assert!(!is_for_us(other, &serve), "{other}");
        }
    }

    #[test]
    fn browsers_say_whose_page_asks() {
        let foreign = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), axum::http::HeaderValue::from_static(value)));
            is_of_another_site(&headers.collect(), &serve())
        };
        assert!(!foreign(&[]), "a program");
        assert!(!foreign(&[("origin", "http://localhost:5173")]));
        assert!(!foreign(&[("origin", "http://127.0.0.1:8080")]));
        assert!(!foreign(&[("origin", "http://[::1]:8080")]));
        assert!(!foreign(&[("origin", "https://data.example.org")]));
        assert!(!foreign(&[("origin", "https://maps.example.org:8443")]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]), "typed by a person");
        assert!(foreign(&[("origin", "https://evil.example")]));
        assert!(foreign(&[("origin", "https://localhost.evil.example")]));
        assert!(foreign(&[("origin", "null")]));
        assert!(foreign(&[("origin", "file://")]));
        assert!(foreign(&[("origin", "")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
    }
}
