//! A Temporal server with a file as its database, for cases that kill it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use temporalio_client::{
    Client, ClientOptions, Connection, envconfig::LoadClientConfigProfileOptions,
};

use super::scene::until;

/// A running server, killed when this value is dropped.
pub(super) struct Server {
    /// Its own, and those of http and of metrics.
    ports: [u16; 3],
    database: PathBuf,
    process: Child,
}

impl Server {
    pub(super) async fn start(directory: &Path) -> Self {
        let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = free.each_ref().map(|one| one.local_addr().expect("an address").port());
        drop(free);
        let database = directory.join("engine.db");
        let process = spawn(ports, &database);
        let server = Self { ports, database, process };
        server.ready().await;
        server
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Ends it with SIGKILL.
    pub(super) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again with the same database.
    pub(super) async fn again(&mut self) {
        self.process = spawn(self.ports, &self.database);
        self.ready().await;
    }

    async fn ready(&self) {
        let address = self.address();
        until(|| async {
            let mut health = Command::new("temporal");
            health.args(["operator", "cluster", "health", "--address", &address]);
            health.args(["--command-timeout", "2s"]).stdout(Stdio::null()).stderr(Stdio::null());
            let asked = tokio::task::spawn_blocking(move || health.status()).await;
            asked.is_ok_and(|status| status.is_ok_and(|status| status.success()))
        })
        .await;
        // It reports healthy a moment before its namespace exists.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    pub(super) async fn client(&self) -> Client {
        let (mut connection, options) =
            ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
                .expect("the TEMPORAL_* variables are right");
        connection.target = format!("http://{}", self.address()).parse().expect("a URL");
        let connection = Connection::connect(connection).await.expect("the server answers");
        Client::new(connection, options).expect("the options are right")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn([port, http, metrics]: [u16; 3], database: &Path) -> Child {
    let mut server = Command::new("temporal");
    server.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--log-level", "error"]);
    for (flag, port) in [("--port", port), ("--http-port", http), ("--metrics-port", metrics)] {
        server.args([flag, &port.to_string()]);
    }
    for name in ["App", "Component", "Container", "Version", "Commit", "Outcome"] {
        server.args(["--search-attribute", &format!("Kiln{name}=Keyword")]);
    }
    server.arg("--db-filename").arg(database);
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    server.spawn().expect("temporal starts")
}
