//! Odd URLs, through our parser and through what libgit2 really connects to.

use kilnworks_workflows::failure::FailureType::SourceDenied;

use crate::support::{
    Repo, cache_of, failure,
    http::{Response, serve},
    secret, source, with_secret,
};

/// Texts that some parser reads as the host `{good}`, and some other parser as the host `{evil}`.
const TWO_READINGS: [&str; 16] = [
    "http://{good}\\@{evil}/a.git",
    "http://{good}\\.{evil}/a.git",
    "http://{good}#@{evil}/a.git",
    "http://{good}?@{evil}/a.git",
    "http://{good};@{evil}/a.git",
    "http://{good}%2f@{evil}/a.git",
    "http://{good}%5c@{evil}/a.git",
    "http://{good}%00@{evil}/a.git",
    "http://{good}@{evil}/a.git",
    "http://{good} @{evil}/a.git",
    "http://{good}\t@{evil}/a.git",
    "http://{good}\n@{evil}/a.git",
    "http://{evil}\\@{good}/a.git",
    "http://{evil}#@{good}/a.git",
    "http:/{good}\\@{evil}/a.git",
    "http:\\\\{good}\\@{evil}/a.git",
];

fn refusing() -> Response {
    Response {
        status: "401 Unauthorized",
        header: "WWW-Authenticate: Basic realm=\"git\"".to_owned(),
        body: Vec::new(),
    }
}

#[tokio::test]
async fn a_text_with_two_readings_reaches_no_server() {
    let (good, asked_good) = serve(|_, _| refusing());
    let (evil, asked_evil) = serve(|_, _| refusing());
    let (good, evil) = (format!("localhost:{}", good.port()), evil.to_string());
    let login = secret("basic-auth", &good, &[("username", "me"), ("password", "hush")]);
    let cache = cache_of(u64::MAX, vec![login]);
    for text in TWO_READINGS {
        let url = text.replace("{good}", &good).replace("{evil}", &evil);
        let (kind, message) = failure(cache.sources.fetch(&with_secret(source(&url, None))).await);
        assert_eq!(kind, SourceDenied, "{url:?}: {message}");
        assert!(!message.contains("hush"), "{message}");
    }
    assert!(asked_evil.lock().unwrap().is_empty(), "the other host was asked");
    assert!(asked_good.lock().unwrap().is_empty(), "a text with two readings was used");

    // The reason: libgit2 alone takes the first of them to the other host.
    let url = TWO_READINGS[0].replace("{good}", &good).replace("{evil}", &evil);
    let connected = tokio::task::spawn_blocking(move || {
        git2::Remote::create_detached(url).unwrap().connect(git2::Direction::Fetch).is_ok()
    });
    assert!(!connected.await.unwrap());
    assert!(
        !asked_evil.lock().unwrap().is_empty(),
        "libgit2 has changed: is the parser still needed?"
    );
}

#[tokio::test]
async fn a_submodule_with_two_readings_gets_no_login() {
    let app = Repo::new();
    app.write("main.c", "main").commit();
    let lib = Repo::new();
    lib.write("lib.h", "lib").commit();
    app.git(&["submodule", "--quiet", "add", lib.path().to_str().unwrap(), "lib"]);
    let (evil, asked) = serve(|_, _| refusing());
    let url = format!("http://localhost:80\\@{evil}/x.git");
    app.git(&["config", "--file=.gitmodules", "submodule.lib.url", &url]);
    app.commit();
    let mut source = app.source(None);
    source.submodules = true;
    let (kind, message) = failure(cache_of(u64::MAX, Vec::new()).sources.fetch(&source).await);
    assert_eq!(kind, SourceDenied, "{message}");
    assert!(asked.lock().unwrap().is_empty(), "the other host was asked");
}

/// A URL that is accepted leads libgit2 to the host and port that the Secret was checked for.
#[tokio::test]
async fn an_accepted_url_is_one_server_for_everyone() {
    let (at, asked) = serve(|_, _| refusing());
    let login =
        secret("basic-auth", "127.0.0.1, localhost", &[("username", "me"), ("password", "x")]);
    let cache = cache_of(u64::MAX, vec![login]);
    let urls = [
        format!("http://{at}/a.git"),
        format!("http://localhost:{}/a%20b/c.git", at.port()),
        format!("http://127.0.0.1:{}/~me/a+b=c,d;e:f!g$h&i'j(k)*l.git", at.port()),
    ];
    for (index, url) in urls.iter().enumerate() {
        let (kind, message) = failure(cache.sources.fetch(&with_secret(source(url, None))).await);
        assert_eq!(kind, SourceDenied, "{message}");
        let asked = asked.lock().unwrap();
        let shown = asked.iter().filter(|request| request.authorization.is_some()).count();
        assert_eq!(shown, index + 1, "{url}: its own server is shown the login once");
    }
}
