use futures::{FutureExt, future::join_all};
use kilnworks_workflows::failure::FailureType;
use tokio::sync::oneshot;

use super::*;
use crate::error::{fail, is};

type Answer = anyhow::Result<usize>;

/// A question, and who waits for its answer.
type Begun = (String, oneshot::Sender<Answer>);

/// Whoever is asked, until each answer is given.
#[derive(Default)]
struct Server {
    together: Together<String, usize>,
    /// What was begun and is not answered, in that order.
    begun: Arc<Mutex<Vec<Begun>>>,
}

impl Server {
    async fn ask(&self, question: &str) -> Answer {
        let (begun, text) = (self.begun.clone(), question.to_owned());
        let work = || async move {
            let (answer, answered) = oneshot::channel();
            begun.lock().unwrap().push((text, answer));
            answered.await?
        };
        self.together.ask(question.to_owned(), work).await
    }

    /// Answers what was begun first.
    fn answer(&self, answer: Answer) {
        let (_, sender) = self.begun.lock().unwrap().remove(0);
        sender.send(answer).expect("someone waits");
    }

    /// What was begun and is not answered.
    fn open(&self) -> Vec<String> {
        self.begun.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
    }
}

/// Lets everyone go as far as they come without an answer.
async fn settle(all: &mut [futures::future::LocalBoxFuture<'_, Answer>]) {
    for asker in all {
        assert!(asker.now_or_never().is_none(), "it waits");
    }
}

#[tokio::test]
async fn who_comes_meanwhile_shares_the_next_answer() {
    let server = Server::default();
    let mut first = [server.ask("main").boxed_local()];
    settle(&mut first).await;
    let mut later: Vec<_> = (0..3).map(|_| server.ask("main").boxed_local()).collect();
    settle(&mut later).await;
    assert_eq!(server.open(), ["main"], "one at a time");
    server.answer(Ok(1));
    let [first] = first;
    assert_eq!(first.await.unwrap(), 1);
    settle(&mut later).await;
    assert_eq!(server.open(), ["main"], "one for all three");
    // That one is begun, too.
    let mut last = [server.ask("main").boxed_local()];
    settle(&mut last).await;
    server.answer(Ok(2));
    let answers: Vec<_> = join_all(later).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2, 2, 2]);
    settle(&mut last).await;
    server.answer(Ok(3));
    let [last] = last;
    assert_eq!(last.await.unwrap(), 3);
    assert!(server.open().is_empty());
}

#[tokio::test]
async fn other_questions_go_their_own_way_and_none_is_kept() {
    let server = Server::default();
    let mut all: Vec<_> = ["a", "b"].map(|text| server.ask(text).boxed_local()).into();
    settle(&mut all).await;
    assert_eq!(server.open(), ["a", "b"]);
    server.answer(Ok(1));
    server.answer(Ok(2));
    let answers: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [1, 2]);
    let mut again = [server.ask("a").boxed_local()];
    settle(&mut again).await;
    assert_eq!(server.together.asked.lock().unwrap().len(), 1, "only what is on its way");
    assert_eq!(server.open(), ["a"], "no answer is kept");
}

#[tokio::test]
async fn a_caller_that_goes_ends_nobody_elses_question() {
    let server = Server::default();
    let mut first = vec![server.ask("main").boxed_local()];
    settle(&mut first).await;
    let mut later: Vec<_> = (0..2).map(|_| server.ask("main").boxed_local()).collect();
    settle(&mut later).await;
    // Of the running one nobody is left: the next one begins.
    drop(first);
    assert!(server.begun.lock().unwrap().remove(0).1.is_closed());
    settle(&mut later).await;
    assert_eq!(server.open(), ["main"]);
    // The caller that works goes: the other one works now.
    drop(later.remove(0));
    assert!(server.begun.lock().unwrap().remove(0).1.is_closed());
    settle(&mut later).await;
    assert_eq!(server.open(), ["main"]);
    server.answer(Ok(2));
    assert_eq!(later.remove(0).await.unwrap(), 2);
}

#[tokio::test]
async fn an_error_is_everyones_and_keeps_its_type() {
    let server = Server::default();
    let mut first = [server.ask("main").boxed_local()];
    settle(&mut first).await;
    let mut later: Vec<_> = (0..2).map(|_| server.ask("main").boxed_local()).collect();
    settle(&mut later).await;
    server.answer(Err(anyhow!("the root").context("the place")));
    let [first] = first;
    assert_eq!(first.await.unwrap_err().to_string(), "the place: the root");
    settle(&mut later).await;
    server.answer(Err(fail(FailureType::SourceUnavailable, "away").context("place")));
    for error in join_all(later).await {
        assert!(is(&error.unwrap_err(), FailureType::SourceUnavailable));
    }
}
