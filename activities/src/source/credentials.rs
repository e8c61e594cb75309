//! The credentials that a Secret holds for a git server.

use git2::{Cred, CredentialType, Error, ErrorClass, ErrorCode};
use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::failure::FailureType;
use kube::ResourceExt;

use super::address::{Address, Way};
use crate::{error::fail, secrets};

/// The credentials of one source, and the hosts that may see them.
#[derive(Clone, Default, PartialEq)]
pub struct Credentials {
    login: Option<Login>,
    /// The source's own URL, and the Secret whose annotation may allow other hosts.
    url: String,
    secret: Option<Secret>,
}

/// One login. It has no `Debug`, so that no log contains it.
#[derive(Clone, PartialEq)]
pub enum Login {
    /// For http and https.
    Basic { username: String, password: String },
    /// For ssh.
    Key { private: String, known_hosts: String },
}

impl Credentials {
    /// The login of a Secret that was read for the source's host.
    pub fn of(secret: Secret, address: &Address) -> anyhow::Result<Self> {
        let login = login(&secret).map_err(|wrong| {
            let name = secret.name_any();
            fail(FailureType::SourceDenied, format!("the Secret `{name}` {wrong}"))
        })?;
        Ok(Self { login: Some(login), url: address.url.clone(), secret: Some(secret) })
    }

    /// Name of the Secret that is used for a repository; empty if none is used. Mirrors are separate per
    /// URL and Secret, so that nobody reads from a mirror what the server would refuse.
    pub fn name_for(&self, address: &Address) -> &str {
        let used = self.secret.as_ref().filter(|_| self.login_for(address).is_some());
        used.and_then(|secret| secret.metadata.name.as_deref()).unwrap_or_default()
    }

    /// The login for a repository: the source itself, or a submodule on a host that may see the login.
    /// Only a source whose own spec says `http://` shows a login without encryption.
    pub fn login_for(&self, address: &Address) -> Option<&Login> {
        let secret = self.secret.as_ref()?;
        let may_see = address.is_same_server(&self.url)
            || address.is_encrypted() && secrets::permits(secret, &address.host);
        self.login.as_ref().filter(|login| may_see && login.fits(address.way))
    }
}

fn login(secret: &Secret) -> Result<Login, String> {
    let text = |key: &str| {
        secrets::text(secret, key).ok_or_else(|| format!("has no text under the key `{key}`"))
    };
    match secret.type_.as_deref() {
        Some("kubernetes.io/basic-auth") => Ok(Login::Basic {
            // Git hosts that accept a token accept any user name with it.
            username: text("username").unwrap_or_else(|_| "git".to_owned()),
            password: text("password")?,
        }),
        Some("kubernetes.io/ssh-auth") => Ok(Login::Key {
            private: text("ssh-privatekey")?,
            known_hosts: text("known_hosts").map_err(|missing| {
                format!("{missing}, which identifies the server; `ssh-keyscan` prints it")
            })?,
        }),
        other => Err(format!(
            "is of type `{}`; accepted are `kubernetes.io/basic-auth` and `kubernetes.io/ssh-auth`",
            other.unwrap_or("Opaque")
        )),
    }
}

impl Login {
    fn fits(&self, way: Way) -> bool {
        match self {
            Self::Basic { .. } => way == Way::Web,
            Self::Key { .. } => way == Way::Ssh,
        }
    }
}

/// Answers libgit2 when a server asks for credentials. libgit2 asks again after each refusal, without
/// end, as long as it gets an answer. So it gets the user name once and the login once.
pub struct Answers<'a> {
    address: &'a Address,
    login: Option<&'a Login>,
    named: bool,
    logged_in: bool,
}

impl<'a> Answers<'a> {
    /// Answers for a repository, with its login if it has one.
    pub fn new(address: &'a Address, login: Option<&'a Login>) -> Self {
        Self { address, login, named: false, logged_in: false }
    }

    /// Answers one question. `url` is where the server is now: a redirect may have led elsewhere,
    /// and no other server than the source's is shown anything.
    pub fn answer(
        &mut self,
        url: &str,
        user: Option<&str>,
        wanted: CredentialType,
    ) -> Result<Cred, Error> {
        if !self.address.is_same_server(url) {
            return Err(refusal(
                "the server redirects to another host, port or protocol, which is shown no credentials",
            ));
        }
        let user = user.unwrap_or("git");
        if wanted.contains(CredentialType::USERNAME) && !self.named {
            self.named = true;
            return Cred::username(user);
        }
        let Some(login) = self.login else {
            return Err(refusal(
                "the server requires credentials, and the source names no Secret that has them",
            ));
        };
        if self.logged_in {
            return Err(refusal("the server refuses the credentials of the source's Secret"));
        }
        self.logged_in = true;
        match login {
            Login::Basic { username, password } if wanted.is_user_pass_plaintext() => {
                Cred::userpass_plaintext(username, password)
            }
            Login::Key { private, .. } if wanted.is_ssh_memory() || wanted.is_ssh_key() => {
                Cred::ssh_key_from_memory(user, None, private, None)
            }
            _ => Err(refusal(
                "the server requires another kind of credentials than the source's Secret has",
            )),
        }
    }
}

fn refusal(message: &str) -> Error {
    Error::new(ErrorCode::Auth, ErrorClass::Callback, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use git2::CredentialType;
    use k8s_openapi::{ByteString, api::core::v1::Secret};

    use super::{Address, Answers, Credentials};

    fn secret(kind: &str, hosts: &str, data: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: Some(kind.to_owned()), ..Secret::default() };
        let hosts = ("kiln.io/hosts".to_owned(), hosts.to_owned());
        secret.metadata.name = Some("deploy".to_owned());
        secret.metadata.annotations = Some(BTreeMap::from([hosts]));
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        secret.data =
            Some(data.iter().map(|(key, value)| ((*key).to_owned(), bytes(value))).collect());
        secret
    }

    fn basic(hosts: &str) -> Credentials {
        let secret =
            secret("kubernetes.io/basic-auth", hosts, &[("username", "me"), ("password", "hush")]);
        Credentials::of(secret, &at("https://git.example.com/a.git")).unwrap()
    }

    fn at(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn a_login_goes_only_to_its_hosts_and_ways() {
        let credentials = basic("git.example.com, other.example.com");
        for (url, shown) in [
            ("https://git.example.com/b.git", true),
            ("https://other.example.com/b.git", true),
            ("https://evil.example.com/b.git", false),
            ("https://git.example.com.evil.com/b.git", false),
            ("ssh://git@git.example.com/b.git", false),
            ("http://git.example.com/b.git", false),
            ("http://other.example.com/b.git", false),
        ] {
            assert_eq!(credentials.login_for(&at(url)).is_some(), shown, "{url}");
        }
    }

    #[test]
    fn a_second_ask_is_a_refusal() {
        let (credentials, address) =
            (basic("git.example.com"), at("https://git.example.com/a.git"));
        let mut answers = Answers::new(&address, credentials.login_for(&address));
        let mut ask = || {
            answers.answer(
                "https://git.example.com/a.git",
                None,
                CredentialType::USER_PASS_PLAINTEXT,
            )
        };
        assert!(ask().is_ok());
        let refused = ask().err().unwrap();
        assert!(refused.message().contains("refuses"), "{refused}");
    }

    #[test]
    fn a_redirect_to_another_host_is_shown_nothing() {
        let (credentials, address) =
            (basic("git.example.com"), at("https://git.example.com/a.git"));
        for url in [
            "https://evil.example.com/a.git",
            "https://git.example.com:8443/a.git",
            "http://git.example.com/a.git",
            "https://git.example.com\\@evil.example.com/a.git",
        ] {
            let mut answers = Answers::new(&address, credentials.login_for(&address));
            let refused =
                answers.answer(url, None, CredentialType::USER_PASS_PLAINTEXT).err().unwrap();
            assert!(refused.message().contains("another host"), "{refused}");
        }
    }

    #[test]
    fn a_secret_that_is_no_login_says_what_is_wrong() {
        for (kind, data, expected) in [
            ("Opaque", vec![("password", "hush")], "is of type `Opaque`"),
            ("kubernetes.io/basic-auth", vec![("username", "me")], "key `password`"),
            ("kubernetes.io/ssh-auth", vec![("ssh-privatekey", "hush")], "key `known_hosts`"),
            ("kubernetes.io/ssh-auth", vec![("known_hosts", "")], "key `ssh-privatekey`"),
        ] {
            let error =
                Credentials::of(secret(kind, "*", &data), &at("https://e.com/a")).err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
