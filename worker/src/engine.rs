//! The engine, which is the Temporal server: the connection, its namespace, its list of builds, and links to
//! its UI.

pub(crate) mod connect;
pub(crate) mod list;
pub(crate) mod namespace;
mod refusal;

use temporalio_client::Client;
use url::Url;

pub(crate) use self::refusal::{is_temporary, refused};

/// A connected engine.
pub(crate) struct Engine {
    /// A client of the namespace.
    pub(crate) client: Client,
    /// The address, for messages.
    pub(crate) address: String,
    /// The Temporal namespace.
    pub(crate) namespace: String,
}

impl Engine {
    /// The URL of a build, if the URL of the UI is known.
    pub(crate) fn page(&self, ui: Option<&Url>, id: &str) -> Option<String> {
        page(ui?, &self.namespace, "workflows", id)
    }

    /// The URL of a schedule, if the URL of the UI is known.
    pub(crate) fn schedule_page(&self, ui: Option<&Url>, name: &str) -> Option<String> {
        page(ui?, &self.namespace, "schedules", name)
    }
}

fn page(ui: &Url, namespace: &str, kind: &str, id: &str) -> Option<String> {
    let mut page = ui.clone();
    let mut segments = page.path_segments_mut().ok()?;
    segments.pop_if_empty().extend(["namespaces", namespace, kind, id]);
    drop(segments);
    Some(page.into())
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_build_has_one_page() {
        for ui in ["http://ui:8233", "http://ui:8233/"] {
            let page = page(&ui.parse().unwrap(), "default", "workflows", "shop-1.0/web").unwrap();
            assert_eq!(page, "http://ui:8233/namespaces/default/workflows/shop-1.0%2Fweb");
        }
    }
}
