//! Fetching from the git server of the local stack by http, with a login and without.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{
    Cache, cache, cache_of, failure, git, secret, source,
    stack::{Served, of_stack},
    with_secret,
};
use futures::{future::join_all, join};
use kilnworks_workflows::{
    failure::FailureType::{RevisionNotFound, SourceDenied, SourceNotFound},
    plan::GitSource,
};

async fn content(cache: &Cache, source: &GitSource, commit: &str, path: &'static str) -> String {
    let snapshot = cache.sources.ensure(source, commit).await.unwrap();
    let read = snapshot.read(move |tree, _| {
        let file = tree.find(path)?.unwrap();
        Ok(String::from_utf8(tree.read(&file, usize::MAX)?.unwrap())?)
    });
    read.await.unwrap()
}

fn commits_in(cache: &Cache) -> usize {
    let mirrors = cache.mirrors();
    let listed = git(&mirrors[0], &["rev-list", "--all"]);
    // What was fetched must be whole, as git sees it.
    git(&mirrors[0], &["fsck", "--full", "--no-dangling"]);
    listed.lines().count()
}

/// Stands before a git server until the test ends.
#[derive(Clone, Default)]
struct Gate {
    /// How many connections were made.
    connections: Arc<AtomicUsize>,
    /// How many pieces of answers came, which go on when nobody holds them.
    answers: Arc<AtomicUsize>,
    held: Arc<tokio::sync::Mutex<()>>,
}

impl Gate {
    /// The same source behind the gate.
    fn before(&self, source: &GitSource) -> GitSource {
        let (server, rest) = source.url.trim_start_matches("http://").split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/{rest}", listener.local_addr().unwrap());
        let (gate, server) = (self.clone(), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                gate.connections.fetch_add(1, Ordering::SeqCst);
                gate.pass(client, TcpStream::connect(&server).unwrap());
            }
        });
        GitSource { url, ..source.clone() }
    }

    /// Whoever hangs up ends it.
    fn pass(&self, client: TcpStream, server: TcpStream) {
        let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut asking, &mut asked);
            let _ = asked.shutdown(Shutdown::Write);
        });
        let (gate, mut client, mut server) = (self.clone(), client, server);
        thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = server.read(&mut piece) {
                gate.answers.fetch_add(1, Ordering::SeqCst);
                drop(gate.held.blocking_lock());
                if client.write_all(&piece[..count]).is_err() {
                    break;
                }
            }
            let _ = client.shutdown(Shutdown::Write);
        });
    }
}

#[tokio::test]
async fn who_asks_at_once_asks_the_server_together() {
    let (served, cache) = (Served::new(""), cache());
    let commit = served.push("a", "1");
    let gate = Gate::default();
    let source = gate.before(&served.web(Some("main")));
    let asked = || gate.connections.swap(0, Ordering::SeqCst);
    // What is here already is only looked up.
    for _ in 0..2 {
        asked();
        cache.sources.fetch(&source).await.unwrap();
    }
    let one = asked();
    let all = join_all((0..20).map(|_| cache.sources.fetch(&source))).await;
    assert!(all.into_iter().all(|fetched| fetched.unwrap() == commit));
    assert_eq!(asked(), 2 * one, "one answer for the first, and one for all who came after");
}

#[tokio::test]
async fn a_push_before_the_question_counts_while_an_answer_is_on_its_way() {
    let (served, cache, gate) = (Served::new(""), cache(), Gate::default());
    let source = gate.before(&served.web(Some("main")));
    let before = served.push("a", "1");
    cache.sources.fetch(&source).await.unwrap();
    let held = gate.held.lock().await;
    gate.answers.store(0, Ordering::SeqCst);
    let mut running = Box::pin(cache.sources.fetch(&source));
    while gate.answers.load(Ordering::SeqCst) == 0 {
        assert!(futures::poll!(&mut running).is_pending());
        tokio::task::yield_now().await;
    }
    let pushed = served.push("a", "2");
    drop(held);
    let (running, next) = join!(running, cache.sources.fetch(&source));
    assert_eq!(next.unwrap(), pushed);
    assert_eq!(running.unwrap(), before);
}

#[tokio::test]
async fn only_the_commit_is_fetched() {
    let (served, cache) = (Served::new(""), cache());
    let commits: Vec<_> = ["1", "2", "3", "4"].map(|text| served.push("a", text)).into();
    served.repo.git(&["tag", "--annotate", "--message=one", "v1", &commits[1]]);
    let last = served.push("a", "5");
    for (revision, commit, text) in [
        (Some("main"), &last, "5"),
        (None, &last, "5"),
        (Some("v1"), &commits[1], "2"),
        (Some(commits[0].as_str()), &commits[0], "1"),
        (Some(commits[2].as_str()), &commits[2], "3"),
    ] {
        let fetched = cache.sources.fetch(&served.web(revision)).await.unwrap();
        assert_eq!(&fetched, commit, "{revision:?}");
        assert_eq!(content(&cache, &served.web(revision), commit, "a").await, text);
    }
    assert_eq!(commits_in(&cache), 4);
}

#[tokio::test]
async fn a_branch_is_followed_and_rewound() {
    let (served, cache) = (Served::new(""), cache());
    for text in ["1", "2", "3"] {
        let commit = served.push("a", text);
        let fetched = cache.sources.fetch(&served.web(None)).await.unwrap();
        assert_eq!(fetched, commit);
        assert_eq!(content(&cache, &served.web(None), &commit, "a").await, text);
    }
    served.repo.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let commit = served.push("b", "other");
    let fetched = cache.sources.fetch(&served.web(None)).await.unwrap();
    assert_eq!(fetched, commit);
    assert_eq!(content(&cache, &served.web(None), &commit, "b").await, "other");
}

#[tokio::test]
async fn a_server_that_refuses_ids_is_asked_for_all() {
    let (served, cache) = (Served::new(""), cache());
    let first = served.push("a", "1");
    let second = served.push("a", "2");
    served.push("a", "3");
    for name in ["allowAnySHA1InWant", "allowReachableSHA1InWant"] {
        git(&served.bare(), &["config", &format!("uploadpack.{name}"), "false"]);
    }
    // The mirror is shallow by now; all means all nevertheless.
    cache.sources.fetch(&served.web(None)).await.unwrap();
    for (commit, text) in [(&first, "1"), (&second, "2")] {
        let fetched = cache.sources.fetch(&served.web(Some(commit))).await.unwrap();
        assert_eq!(&fetched, commit);
        assert_eq!(content(&cache, &served.web(None), commit, "a").await, text);
    }
    let (kind, message) = failure(cache.sources.fetch(&served.web(Some(&"1".repeat(40)))).await);
    assert_eq!(kind, RevisionNotFound, "{message}");
}

#[tokio::test]
async fn an_id_that_is_nowhere_is_not_found() {
    let (served, cache) = (Served::new(""), cache());
    served.push("a", "1");
    let (kind, message) = failure(cache.sources.fetch(&served.web(Some(&"1".repeat(40)))).await);
    assert_eq!(kind, RevisionNotFound, "{message}");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_found() {
    let missing = source(&format!("{}/missing.git", of_stack("KILN_GIT_URL")), None);
    let (kind, message) = failure(cache().sources.fetch(&missing).await);
    assert_eq!(kind, SourceNotFound, "{message}");
}

#[tokio::test]
async fn nobody_shares_the_answer_to_anothers_secret() {
    let served = Served::new("private/");
    let commit = served.push("a", "1");
    let (user, password) = (of_stack("KILN_GIT_USER"), of_stack("KILN_GIT_PASSWORD"));
    let login = |password: &str| {
        let data = [("username", user.as_str()), ("password", password)];
        secret("basic-auth", "localhost, 127.0.0.1", &data)
    };
    let mut wrong = login("hush");
    wrong.metadata.name = Some("wrong".to_owned());
    let cache = cache_of(u64::MAX, vec![login(&password), wrong]);
    let none = served.web(None);
    let right = with_secret(none.clone());
    let wrong = GitSource { secret: Some("wrong".to_owned()), ..none.clone() };
    let fetch = |source| cache.sources.fetch(source);
    let (_, again, wrong, none) = join!(fetch(&right), fetch(&right), fetch(&wrong), fetch(&none));
    assert_eq!(again.unwrap(), commit);
    assert_eq!(failure(wrong).0, SourceDenied);
    assert_eq!(failure(none).0, SourceDenied);
}

#[tokio::test]
async fn a_private_repository_wants_its_login() {
    let served = Served::new("private/");
    let commit = served.push("a", "1");
    let (user, password) = (of_stack("KILN_GIT_USER"), of_stack("KILN_GIT_PASSWORD"));
    let login = |password: &str| {
        vec![secret(
            "basic-auth",
            "localhost, 127.0.0.1",
            &[("username", &user), ("password", password)],
        )]
    };

    let (kind, message) = failure(cache().sources.fetch(&served.web(None)).await);
    assert_eq!(kind, SourceDenied);
    assert!(message.contains("names no Secret"), "{message}");

    let wrong = cache_of(u64::MAX, login("hush"));
    let (kind, message) = failure(wrong.sources.fetch(&with_secret(served.web(None))).await);
    assert_eq!(kind, SourceDenied);
    assert!(message.contains("refuses the credentials") && !message.contains("hush"), "{message}");

    let right = cache_of(u64::MAX, login(&password));
    for _ in 0..2 {
        let fetched = right.sources.fetch(&with_secret(served.web(None))).await.unwrap();
        assert_eq!(fetched, commit);
    }
    // Who names no Secret does not get at what another's Secret fetched.
    let snapshot = right.sources.ensure(&served.web(None), &commit).await.unwrap();
    let (kind, _) = failure(snapshot.read(|tree, _| tree.first(&tree.root(), 0)).await);
    assert_eq!(kind, SourceDenied);
}
