use kilnworks_workflows::failure::FailureType::{SourceDenied, SourceNotFound, SourceUnavailable};

use crate::support::{
    cache, cache_of, failure,
    http::{Response, serve},
    secret, source, with_secret,
};

#[tokio::test]
async fn what_a_web_server_answers_has_a_public_type() {
    let cache = cache();
    for (status, kind) in [
        ("404 Not Found", SourceNotFound),
        ("410 Gone", SourceNotFound),
        ("403 Forbidden", SourceDenied),
        ("401 Unauthorized", SourceDenied),
        ("500 Internal Server Error", SourceUnavailable),
        ("503 Service Unavailable", SourceUnavailable),
        ("429 Too Many Requests", SourceUnavailable),
        // A page that is no git repository.
        ("200 OK", SourceNotFound),
    ] {
        let header = match status {
            "401 Unauthorized" => "WWW-Authenticate: Basic realm=\"git\"",
            _ => "Content-Type: text/html",
        };
        let (at, _) =
            serve(move |_, _| Response { status, header: header.to_owned(), body: Vec::new() });
        let (found, message) =
            failure(cache.sources.fetch(&source(&format!("http://{at}/a.git"), None)).await);
        assert_eq!(found, kind, "{status}: {message}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{closed}/a.git"), format!("https://{closed}/a.git")] {
        let (kind, message) = failure(cache().sources.fetch(&source(&url, None)).await);
        assert_eq!(kind, SourceUnavailable, "{message}");
    }
}

#[tokio::test]
async fn refused_credentials_are_shown_once_and_never_printed() {
    let (at, asked) = serve(|_, _| Response {
        status: "401 Unauthorized",
        header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
        body: Vec::new(),
    });
    let login = secret("basic-auth", "127.0.0.1", &[("username", "me"), ("password", "hush")]);
    let cache = cache_of(u64::MAX, vec![login]);
    let source = with_secret(source(&format!("http://{at}/a.git"), None));
    let (kind, message) = failure(cache.sources.fetch(&source).await);
    assert_eq!(kind, SourceDenied);
    assert!(message.contains("refuses the credentials") && !message.contains("hush"), "{message}");
    let shown =
        asked.lock().unwrap().iter().filter(|request| request.authorization.is_some()).count();
    assert_eq!(shown, 1);
}

#[tokio::test]
async fn a_redirect_takes_no_credentials_to_another_host() {
    let (thief, stolen) = serve(|_, _| Response {
        status: "401 Unauthorized",
        header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
        body: Vec::new(),
    });
    for (ask_first, other) in [(false, "localhost"), (true, "localhost"), (false, "127.0.0.1")] {
        let (at, _) = serve(move |_, request| match ask_first && request.authorization.is_none() {
            true => Response {
                status: "401 Unauthorized",
                header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
                body: Vec::new(),
            },
            false => Response {
                status: "302 Found",
                header: format!("Location: http://{other}:{}{}", thief.port(), request.path),
                body: Vec::new(),
            },
        });
        let login = secret("basic-auth", "127.0.0.1", &[("username", "me"), ("password", "hush")]);
        let cache = cache_of(u64::MAX, vec![login]);
        let source = with_secret(source(&format!("http://{at}/a.git"), None));
        let (kind, message) = failure(cache.sources.fetch(&source).await);
        assert!([SourceNotFound, SourceDenied].contains(&kind), "{kind:?} {message}");
        let stolen = stolen.lock().unwrap();
        assert!(stolen.iter().all(|request| request.authorization.is_none()), "{stolen:?}");
    }
}

#[tokio::test]
async fn a_secret_goes_to_no_host_that_it_does_not_list() {
    let (thief, asked) = serve(|_, _| Response {
        status: "401 Unauthorized",
        header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
        body: Vec::new(),
    });
    let url = |host: &str| format!("http://{host}:{}/a.git", thief.port());
    let port = thief.port() + 1;
    for (hosts, host) in [
        ("git.example.com", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        (&format!("127.0.0.1:{port}"), "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "127.0.0.1@localhost"),
    ] {
        let login = secret("basic-auth", hosts, &[("username", "me"), ("password", "hush")]);
        let cache = cache_of(u64::MAX, vec![login]);
        let source = with_secret(source(&url(host), None));
        let (kind, message) = failure(cache.sources.fetch(&source).await);
        assert_eq!(kind, SourceDenied, "{hosts} for {host}: {message}");
        assert!(!message.contains("hush"), "{message}");
    }
    assert!(asked.lock().unwrap().is_empty(), "nobody is even asked: {:?}", asked.lock().unwrap());
}
