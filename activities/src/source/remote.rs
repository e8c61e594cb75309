//! One connection to a git server: lists references and fetches commits.

use std::{cell::RefCell, sync::Once};

use git2::{
    AutotagOption, CertificateCheckStatus, Direction, Error, ErrorClass, ErrorCode, FetchOptions,
    Oid, RemoteCallbacks, RemoteRedirect, Repository,
    cert::{Cert, CertHostkey},
};
use tokio_util::sync::CancellationToken;

use super::{
    address::{Address, Way},
    credentials::{Answers, Login},
    known_hosts::{self, KeyMatch},
};

/// A repository on its server, and the login for it.
pub struct Server<'a> {
    /// Where it is.
    pub address: &'a Address,
    /// The login for it.
    pub login: Option<&'a Login>,
    /// Ends a fetch that nobody waits for any more.
    pub cancel: &'a CancellationToken,
    /// Why a host key was refused. libgit2 replaces our text by its own.
    refused: RefCell<Option<String>>,
}

/// A branch, a tag or `HEAD` of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its full name. The commit of an annotated tag has the tag's name with `^{}`.
    pub name: String,
    /// The object that it names now.
    pub id: Oid,
}

/// How much history a fetch brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The commit only.
    One,
    /// All history.
    Full,
}

impl<'a> Server<'a> {
    /// Sends nothing yet.
    pub fn new(
        address: &'a Address,
        login: Option<&'a Login>,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self { address, login, cancel, refused: RefCell::default() }
    }

    /// The references of the server. The connection is closed afterwards.
    pub fn heads(&self, repo: &Repository) -> Result<Vec<Head>, Error> {
        set_timeouts();
        let mut remote = repo.remote_anonymous(&self.address.url)?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks()), None)
            .map_err(|error| self.in_our_words(error))?;
        let heads = connection
            .list()?
            .iter()
            .map(|head| Head { name: head.name().to_owned(), id: head.oid() });
        Ok(heads.collect())
    }

    /// Fetches refspecs into a repository. A pack arrives completely, or not at all.
    pub fn fetch(&self, repo: &Repository, refspecs: &[&str], depth: Depth) -> Result<(), Error> {
        set_timeouts();
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks())
            .download_tags(AutotagOption::None)
            // In libgit2, `Initial` follows a redirect of the first request to any host. `None` follows a
            // redirect to another path of the same host only; git hosts use that for a URL without `.git`.
            .follow_redirects(RemoteRedirect::None)
            .update_fetchhead(false)
            .depth(self.libgit2_depth(repo, depth));
        let mut remote = repo.remote_anonymous(&self.address.url)?;
        remote.fetch(refspecs, Some(&mut options), None).map_err(|error| self.in_our_words(error))
    }

    fn in_our_words(&self, error: Error) -> Error {
        match self.refused.take() {
            Some(refused) => Error::new(ErrorCode::Certificate, ErrorClass::Callback, refused),
            None => error,
        }
    }

    /// libgit2 cannot fetch shallowly from a path, and has a special depth to undo a shallow fetch.
    fn libgit2_depth(&self, repo: &Repository, depth: Depth) -> i32 {
        match depth {
            Depth::One if self.address.way != Way::Local => 1,
            Depth::Full if repo.is_shallow() => i32::MAX,
            Depth::One | Depth::Full => 0,
        }
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut answers = Answers::new(self.address, self.login);
        let mut callbacks = RemoteCallbacks::new();
        callbacks
            .credentials(move |url, user, wanted| answers.answer(url, user, wanted))
            .certificate_check(|certificate, _| self.check(certificate))
            .transfer_progress(|_| !self.cancel.is_cancelled())
            .sideband_progress(|_| !self.cancel.is_cancelled());
        callbacks
    }

    /// libgit2 checks TLS certificates itself. The Secret must list the host key of an ssh server.
    fn check(&self, certificate: &Cert<'_>) -> Result<CertificateCheckStatus, Error> {
        let Some(key) = certificate.as_hostkey() else {
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        };
        self.judge(key).map_err(|refused| {
            self.refused.replace(Some(refused.clone()));
            Error::new(ErrorCode::Certificate, ErrorClass::Callback, refused)
        })?;
        Ok(CertificateCheckStatus::CertificateOk)
    }

    fn judge(&self, shown: &CertHostkey<'_>) -> Result<(), String> {
        let Some(Login::Key { known_hosts, .. }) = self.login else {
            return Err("an ssh source needs a Secret of type `kubernetes.io/ssh-auth` that may be used for its host".to_owned());
        };
        let Some(key) = shown.hostkey() else {
            return Err("the server shows no host key".to_owned());
        };
        let kind = shown.hostkey_type().map_or("unknown", |kind| kind.name());
        let Some((host, port)) = self.address.host_and_port() else {
            return Err("a local path shows no host key".to_owned());
        };
        let at = format!("{host} port {port}");
        match known_hosts::judge(known_hosts, host, port, key) {
            KeyMatch::Known => Ok(()),
            KeyMatch::Revoked => {
                Err(format!("`known_hosts` marks the host key of {at} as revoked"))
            }
            KeyMatch::Unknown => Err(format!("`known_hosts` lists no key for {at}")),
            KeyMatch::Other(listed) => Err(format!(
                "the `{kind}` host key of {at} is none of those that `known_hosts` lists for it ({})",
                listed.join(", ")
            )),
        }
    }
}

/// Milliseconds to connect to a server.
const CONNECT_TIMEOUT: i32 = 20_000;

/// Milliseconds of silence after which a server counts as down. Git servers send a message every
/// five seconds while they count and compress.
const SILENCE_TIMEOUT: i32 = 60_000;

fn set_timeouts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "these write globals of libgit2, once, before its first connection"
        )]
        // SAFETY: nothing else sets them, and `Once` runs this before every use.
        let set = unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(CONNECT_TIMEOUT)
                .and_then(|()| git2::opts::set_server_timeout_in_milliseconds(SILENCE_TIMEOUT))
        };
        if let Err(error) = set {
            tracing::warn!(%error, "a stalled git server will not be given up");
        }
    });
}
