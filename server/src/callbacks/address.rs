//! Where a callback may go: to hosts that the settings name, and to no address inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use frazil_engine::project::Callbacks;
use url::{Host, Url};

/// Whether a subscriber's URL may be called, as far as its text tells.
///
/// # Errors
/// Why not.
pub(crate) fn judge(text: &str, settings: &Callbacks) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| "a URL is wanted".to_owned())?;
    match url.scheme() {
        "https" => {}
        "http" if settings.http => {}
        _ => return Err("a URL that begins with `https://` is wanted".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL without user and password is wanted".to_owned());
    }
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    if settings.allow.is_empty() {
        return Err(
            "this server tells nobody: `serve.callbacks.allow` in frazil.yaml names the hosts that it may"
                .to_owned(),
        );
    }
    if !settings.allow.iter().any(|allowed| is_named(allowed, &host)) {
        return Err(format!("`{host}` is not among the hosts that this server tells"));
    }
    let literal = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    if literal.is_some_and(|ip| !settings.private && !is_public(ip)) {
        return Err(format!("`{host}` is no address that everybody can reach"));
    }
    Ok(url)
}

/// `example.org`, or `*.example.org` for all under it.
fn is_named(allowed: &str, host: &str) -> bool {
    let allowed = allowed.to_ascii_lowercase();
    match allowed.strip_prefix("*.") {
        Some(above) => host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
        None => allowed == host,
    }
}

/// The addresses of a host, looked up once: what is judged here is what is connected to.
///
/// # Errors
/// When there are none, or one of them lies inside.
pub(super) async fn look_up(url: &Url, settings: &Callbacks) -> Result<Vec<SocketAddr>, String> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| format!("`{host}` has no address"))?.collect();
    if found.is_empty() {
        return Err(format!("`{host}` has no address"));
    }
    if !settings.private && found.iter().any(|address| !is_public(address.ip())) {
        return Err(format!("`{host}` is no name of a host that everybody can reach"));
    }
    Ok(found)
}

/// Whether an address lies in the open network.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_4(ip),
        IpAddr::V6(ip) => is_public_6(ip),
    }
}

fn is_public_4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let inside = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified();
    let special = ip.is_multicast() || ip.is_broadcast() || ip.is_documentation();
    // This network, carriers' own, protocol assignments, old relays, benchmarks, and what is reserved.
    let reserved = a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !(inside || special || reserved)
}

fn is_public_6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4_mapped() {
        return is_public_4(inner);
    }
    // Only this part is given out for the open network; in it lie tunnels to IPv4 and examples.
    let parts = ip.segments();
    let is_global = parts[0] & 0xe000 == 0x2000;
    let is_tunnel = parts[0] == 0x2002 || (parts[0] == 0x2001 && parts[1] < 0x0200);
    let is_example = (parts[0] == 0x2001 && parts[1] == 0x0db8) || parts[0] == 0x3fff;
    is_global && !is_tunnel && !is_example
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(allow: &[&str]) -> Callbacks {
        let allow = allow.iter().map(|host| (*host).to_owned()).collect();
        Callbacks { allow, ..Callbacks::default() }
    }

    #[test]
    fn only_hosts_that_are_named_are_told_and_by_https() {
        let named = settings(&["hooks.example.org", "*.example.com"]);
        for text in
            ["https://hooks.example.org/a", "https://HOOKS.example.org:8443/?t=1", "https://a.b.example.com/"]
        {
            assert!(judge(text, &named).is_ok(), "{text}");
        }
        for text in [
            "http://hooks.example.org/",
            "ftp://hooks.example.org/",
            "https://other.example.org/",
            "https://example.com/",
            "https://badexample.com/",
            "https://hooks.example.org.evil.net/",
            "https://user:pass@hooks.example.org/",
            "hooks.example.org",
            "",
        ] {
            assert!(judge(text, &named).is_err(), "{text}");
        }
        assert!(judge("https://hooks.example.org/", &settings(&[])).is_err(), "nobody is named");
        let open = Callbacks { http: true, ..settings(&["hooks.example.org"]) };
        assert!(judge("http://hooks.example.org/", &open).is_ok());
    }

    #[test]
    fn addresses_inside_are_not_called_however_they_are_written() {
        for text in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "[::]",
        ] {
            let url: Url = format!("https://{text}/").parse().unwrap();
            let host = url.host_str().unwrap().to_owned();
            assert!(judge(url.as_str(), &settings(&[&host])).is_err(), "{text} is {host}");
            let open = Callbacks { private: true, ..settings(&[&host]) };
            assert!(judge(url.as_str(), &open).is_ok(), "{text}");
        }
        for text in ["1.1.1.1", "93.184.215.14", "[2606:2800:21f::1]"] {
            assert!(is_public(text.trim_matches(['[', ']']).parse().unwrap()), "{text}");
        }
    }
}
