//! The state that all readers of a build file share.

use super::{credentials::Credentials, reading::Reading};

/// The state that all readers of a build file share.
pub(super) struct Means<'a> {
    pub(super) reading: &'a mut Reading,
    pub(super) credentials: &'a mut Credentials,
    /// Push Secret for containers that name none.
    pub(super) push_secret: Option<&'a str>,
}
