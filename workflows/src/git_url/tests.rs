use super::{GitUrl, Scheme};

#[test]
fn a_canonical_url_is_read() {
    for (url, scheme, authority, port) in [
        ("https://git.example.com/a/b.git", Scheme::Https, "git.example.com", 443),
        ("https://git.example.com:8443/a", Scheme::Https, "git.example.com:8443", 8443),
        ("http://localhost:3000/a.git", Scheme::Http, "localhost:3000", 3000),
        ("http://10.0.0.1/a", Scheme::Http, "10.0.0.1", 80),
        ("http://[::1]:3000/a", Scheme::Http, "[::1]:3000", 3000),
        ("https://dev.example.com/My%20Team/_git/~x", Scheme::Https, "dev.example.com", 443),
        ("https://xn--bcher-kva.example/a", Scheme::Https, "xn--bcher-kva.example", 443),
        ("ssh://git@example.com:2222/a", Scheme::Ssh, "example.com:2222", 2222),
        ("ssh://example.com/~me/a", Scheme::Ssh, "example.com", 22),
        ("ssh://git@[fe80::1]/a", Scheme::Ssh, "[fe80::1]", 22),
        ("git@example.com:team/a.git", Scheme::Scp, "example.com", 22),
        ("git@example.com:/srv/a.git", Scheme::Scp, "example.com", 22),
    ] {
        let read = GitUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let found = (read.scheme, read.authority(), read.port_or_default());
        assert_eq!(found, (scheme, authority.to_owned(), port), "{url}");
        assert_eq!(read.to_string(), url);
    }
}

/// Each of these is one host for one parser and another host, or none, for another parser.
pub(crate) const ODD: [&str; 58] = [
    // Where the host ends.
    "http://good.example\\@evil.example/a",
    "http://good.example:80\\@evil.example:81/a",
    "http://evil.example\\.good.example/a",
    "https:\\\\good.example/a",
    "https:/\\good.example/a",
    "http://good.example#@evil.example/a",
    "http://good.example?@evil.example/a",
    "http://good.example/#@evil.example/a",
    "http://good.example/a?x=@evil.example",
    "http://good.example;@evil.example/a",
    "http://good.example/..//@evil.example/a",
    "http:///evil.example/a",
    "http:good.example/a",
    "http:/good.example/a",
    "//good.example/a",
    // Users and passwords.
    "http://me@good.example/a",
    "http://me:secret@good.example/a",
    "http://:secret@good.example/a",
    "http://@good.example/a",
    "http://good.example@evil.example/a",
    "ssh://good.example@evil.example@third.example/a",
    "ssh://git:secret@good.example/a",
    "ssh://good.example%40evil.example/a",
    "ssh://git%40good.example@evil.example/a",
    // Codes and characters.
    "http://good%2eexample/a",
    "http://%67ood.example/a",
    "ssh://%67ood.example/a",
    "http://good.example%00.evil.example/a",
    "http://good.example%2f@evil.example/a",
    "http://good.example/a%00b",
    "http://good.example/%2e%2e/a",
    "http://good.example/a%2fb",
    "http://good.example/a%5cb",
    "http://good.example/a%zz",
    "http://good.example/a b",
    " http://good.example/a",
    "http://good.example/a\n",
    "http://good.ex\tample/a",
    "http://good.example\u{ff0f}evil.example/a",
    "http://b\u{fc}cher.example/a",
    "http://GOOD.example/a",
    "HTTP://good.example/a",
    "http://good.example./a",
    "http://good..example/a",
    "http://good.example/../a",
    // Addresses that are written in another way.
    "http://0x7f.1/a",
    "http://2130706433/a",
    "http://127.1/a",
    "ssh://0x7f.1/a",
    "http://[0:0:0:0:0:0:0:1]/a",
    "http://[::ffff:127.0.0.1]/a",
    "http://[::1%25lo]/a",
    // Ports.
    "http://good.example:/a",
    "http://good.example:080/a",
    "https://good.example:443/a",
    "ssh://good.example:22/a",
    "http://good.example:0/a",
    "http://good.example:99999/a",
];

#[test]
fn a_url_that_leaves_something_to_interpret_is_refused() {
    let others = [
        "git@good.example\\@evil.example:a",
        "git@evil.example@good.example:a",
        "git@[good.example:22]:a",
        "git@[::1]:a",
        "git:secret@good.example:a",
        "@good.example:a",
        "git@good.example:",
        "git@good.example:a\\b",
        "git@good.example:a@evil.example:b",
        "-oProxyCommand=x@good.example:a",
        "git@-oProxyCommand=x:a",
        "git@GOOD.example:a",
        "git://good.example/a",
        "ext::sh -c id",
        "file:///etc",
        "/etc",
        "https://good.example",
        "https://good.example/",
        "",
    ];
    for url in ODD.into_iter().chain(others) {
        match GitUrl::parse(url) {
            Ok(read) => panic!("{url:?} was read as {read}"),
            Err(error) => {
                assert!(
                    error.contains("accepted is") || error.contains("refused"),
                    "{url}: {error}"
                );
                assert!(!error.contains("secret@"), "{url}: {error}");
            }
        }
    }
}

#[test]
fn a_refusal_says_what_the_canonical_form_is() {
    let error = GitUrl::parse("https://Git.Example.com:443/a").unwrap_err();
    assert!(error.contains("canonical form: https://git.example.com/a"), "{error}");
}

#[test]
fn a_submodule_is_found_from_its_parent() {
    for (parent, written, expected) in [
        ("https://e.com/a/b.git", "../c.git", "https://e.com/a/c.git"),
        ("https://e.com/a/b.git/", "../../d/c", "https://e.com/d/c"),
        ("https://e.com/a/b.git", "./c", "https://e.com/a/b.git/c"),
        ("https://e.com/a", "../../../../c", "https://e.com/c"),
        ("git@e.com:a/b.git", "../c.git", "git@e.com:a/c.git"),
        ("git@e.com:b.git", "../c.git", "git@e.com:c.git"),
        ("git@e.com:/srv/b.git", "../c.git", "git@e.com:/srv/c.git"),
        ("ssh://git@e.com:2222/a/b", "../c", "ssh://git@e.com:2222/a/c"),
    ] {
        let joined = GitUrl::parse(parent).unwrap().join(written);
        assert_eq!(joined.unwrap().to_string(), expected);
    }
    for written in ["../..\\@evil.example/a", "../c\n", "../c?x", "../.."] {
        let parent = GitUrl::parse("https://e.com/a/b.git").unwrap();
        assert!(parent.join(written).is_err(), "{written:?}");
    }
}

#[test]
fn one_server_is_one_protocol_host_and_port() {
    let is_same = |a, b| GitUrl::parse(a).unwrap().is_same_server(&GitUrl::parse(b).unwrap());
    assert!(is_same("https://e.com/a", "https://e.com/b"));
    assert!(is_same("git@e.com:a", "ssh://git@e.com/b"));
    assert!(!is_same("https://e.com/a", "http://e.com/a"));
    assert!(!is_same("https://e.com/a", "https://e.com:8443/a"));
    assert!(!is_same("https://e.com/a", "ssh://e.com/a"));
}

#[test]
fn a_foreign_url_may_have_capital_letters_and_the_own_port() {
    for (written, expected) in [
        ("https://GitHub.example/Team/A.git", "https://github.example/Team/A.git"),
        ("HTTPS://git.example.com:443/a", "https://git.example.com/a"),
        ("ssh://Git@Git.Example.com:22/a", "ssh://Git@git.example.com/a"),
        ("git@example.com:team/a.git", "git@example.com:team/a.git"),
    ] {
        assert_eq!(GitUrl::parse_foreign(written).unwrap().to_string(), expected);
    }
    let accepted = ODD.into_iter().filter(|odd| GitUrl::parse_foreign(odd).is_ok());
    for odd in accepted {
        let harmless = odd.to_ascii_lowercase().replace(":80/", "/").replace(":443/", "/");
        let found = GitUrl::parse_foreign(odd).unwrap().to_string().to_ascii_lowercase();
        assert_eq!(found, harmless.replace(":22/", "/"), "{odd}");
    }
}
