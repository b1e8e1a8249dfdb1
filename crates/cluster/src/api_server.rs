//! etcd and kube-apiserver.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use moviebooking_launch::{Process, command, free_ports, wait_until};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    audit::{self, Request},
    authority::{Authority, new_key},
    place::{Inside, Place},
    programs::Programs,
};

/// How long the server may take until it answers.
const READY_BOUND: Duration = Duration::from_secs(90);

/// The context in its kubeconfigs, by which Tilt knows that it is no cluster of anybody else.
const CONTEXT: &str = "moviebooking-node";

/// The certificate of the cluster's authority, in the folder.
pub(crate) const AUTHORITY: &str = "authority.crt";
/// The file of the folder with the id of the server's process.
const ID: &str = "kube-apiserver.pid";
/// What the tokens of service accounts are signed with.
pub(crate) const ACCOUNTS_KEY: &str = "service-accounts.key";
/// The server's certificate and key, for either side.
pub(crate) const SERVER: [&str; 2] = ["apiserver.crt", "apiserver.key"];

/// An API server with role-based access control and its etcd, on free ports of the loopback address; dropping it ends
/// both and removes their data.
pub struct ApiServer {
    pub(crate) programs: Programs,
    pub(crate) place: Place,
    pub(crate) authority: Authority,
    url: String,
    arguments: Vec<String>,
    server: Option<Process>,
    etcd: Option<Process>,
    admin: PathBuf,
    /// Removed last.
    _folder: TempDir,
}

/// What an API server is for.
pub(crate) struct Purpose<'a> {
    pub(crate) place: Place,
    /// The address that it says it is at.
    pub(crate) address: &'a str,
    /// More names and addresses that clients reach it by.
    pub(crate) names: &'a [&'a str],
    pub(crate) arguments: &'a [String],
}

impl ApiServer {
    /// Starts the programs that `MOVIEBOOKING_TEST_KUBE_BIN` names, and waits until the server is ready.
    ///
    /// # Errors
    /// When there are no such programs, or what they said.
    pub fn start() -> anyhow::Result<Self> {
        Self::alone(None)
    }

    /// The same with a record of what `user` asks for: [`requests`](Self::requests).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_recording(user: &str) -> anyhow::Result<Self> {
        Self::alone(Some(user))
    }

    fn alone(recorded: Option<&str>) -> anyhow::Result<Self> {
        let folder = new_folder()?;
        let place = Place { folder: folder.path().to_owned(), machine: None };
        // Nobody makes the service account `default` that this plug-in wants each pod to have.
        let mut arguments = ["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]
            .map(str::to_owned)
            .to_vec();
        if let Some(user) = recorded {
            arguments.extend(audit::arguments(&place, user)?);
        }
        let purpose = Purpose { place, address: "127.0.0.1", names: &[], arguments: &arguments };
        Self::start_for(purpose, folder)
    }

    /// What the user has asked for whom the server records.
    ///
    /// # Errors
    /// When the record cannot be read: the server was not [told](Self::start_recording) to keep one.
    pub fn requests(&self) -> anyhow::Result<Vec<Request>> {
        audit::requests(&self.place)
    }

    pub(crate) fn start_for(purpose: Purpose<'_>, folder: TempDir) -> anyhow::Result<Self> {
        let Purpose { place, address, names, arguments } = purpose;
        let programs = Programs::locate()?;
        let authority = Authority::new()?;
        let [port, etcd_client, etcd_peer] = free_ports()?;
        let [etcd_client, etcd_peer] =
            [etcd_client, etcd_peer].map(|port| format!("http://127.0.0.1:{port}"));

        let etcd = place.start(
            &programs.path("etcd")?,
            Inside::Network,
            &[
                format!("--data-dir={}", place.file("etcd").display()),
                // What it holds need not outlive this machine.
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
                format!("--listen-client-urls={etcd_client}"),
                format!("--advertise-client-urls={etcd_client}"),
                format!("--listen-peer-urls={etcd_peer}"),
                format!("--initial-advertise-peer-urls={etcd_peer}"),
                format!("--initial-cluster=default={etcd_peer}"),
            ],
        )?;

        let names = [&["localhost", "127.0.0.1", address], names].concat();
        let identity = authority.issue("kube-apiserver", Some("system:masters"), &names)?;
        let option = |name: &str, file: PathBuf| format!("--{name}={}", file.display());
        let (accounts_key, accounts_public_key) = new_key()?;
        let mut all_arguments = vec![
            format!("--etcd-servers={etcd_client}"),
            format!("--secure-port={port}"),
            format!("--bind-address={address}"),
            format!("--advertise-address={address}"),
            option("client-ca-file", place.write(AUTHORITY, &authority.certificate())?),
            option("tls-cert-file", place.write(SERVER[0], &identity.certificate)?),
            option("tls-private-key-file", place.write(SERVER[1], &identity.key)?),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            option("service-account-signing-key-file", place.write(ACCOUNTS_KEY, &accounts_key)?),
            option("service-account-key-file", place.write("service-accounts.pub", &accounts_public_key)?),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        ];
        all_arguments.extend_from_slice(arguments);
        let mut server = Self {
            programs,
            authority,
            url: format!("https://{address}:{port}"),
            arguments: all_arguments,
            server: None,
            etcd: Some(etcd),
            admin: place.file("admin.kubeconfig"),
            place,
            _folder: folder,
        };
        server.admin = server.kubeconfig_of("admin", Some("system:masters"))?;
        server.resume()?;
        Ok(server)
    }

    /// The kubeconfig of somebody who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// Writes a kubeconfig for a user of this name and group, who may do what roles say and no more.
    /// `system:serviceaccount:NAMESPACE:NAME` is what a service account is called.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_of(&self, user: &str, group: Option<&str>) -> anyhow::Result<PathBuf> {
        let identity = self.authority.issue(user, group, &[])?;
        let name = user.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": {
                "server": self.url,
                "certificate-authority-data": STANDARD.encode(self.authority.certificate()),
            }}],
            "users": [{"name": user, "user": {
                "client-certificate-data": STANDARD.encode(&identity.certificate),
                "client-key-data": STANDARD.encode(&identity.key),
            }}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        });
        self.place.write(&format!("{name}.kubeconfig"), &format!("{config:#}"))
    }

    /// `kubectl` as somebody who may do everything: add its arguments.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn kubectl(&self) -> anyhow::Result<Command> {
        let mut kubectl = self.place.command(&self.programs.path("kubectl")?, Inside::Network)?;
        kubectl.arg("--kubeconfig").arg(&self.admin);
        kubectl.arg("--cache-dir").arg(self.place.file("kubectl-cache"));
        Ok(kubectl)
    }

    /// Ends the server as a crash does; what it has stored stays.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.server.take().context("kube-apiserver does not run")?.kill()
    }

    /// Starts the server that has crashed on its old port, and waits until it is ready.
    ///
    /// # Errors
    /// When it runs, or does not become ready: what it said.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        if self.server.is_some() {
            bail!("kube-apiserver runs");
        }
        let program = self.programs.path("kube-apiserver")?;
        let mut server = self.place.start(&program, Inside::Network, &self.arguments)?;
        wait_until(READY_BOUND, "kube-apiserver is not ready", || {
            if let Some(status) = server.ended()? {
                bail!("kube-apiserver has ended ({status})");
            }
            // Namespaces that every cluster has are made after the server says that it is ready.
            let ready = command::output(self.kubectl()?.args(["get", "--raw", "/readyz"]));
            Ok(ready.is_ok()
                && command::output(self.kubectl()?.args(["get", "namespace", "default"])).is_ok())
        })
        .with_context(|| format!("its log ends with:\n{}", server.last_words()))?;
        self.place.write(ID, &server.id().to_string())?;
        self.server = Some(server);
        Ok(())
    }

    /// Starts the server again if it has ended, as the kubelet of a control plane does.
    ///
    /// # Errors
    /// When it does not become ready: what it said.
    pub(crate) fn mend(&mut self) -> anyhow::Result<()> {
        if let Some(server) = &mut self.server
            && server.ended()?.is_some()
        {
            self.server = None;
            self.resume()?;
        }
        Ok(())
    }

    /// Ends both programs at once: nothing of theirs is kept, so there is nothing to wait for.
    pub(crate) fn end(&mut self) {
        for process in [self.server.take(), self.etcd.take()].into_iter().flatten() {
            let _ = process.kill();
        }
    }
}

/// A folder for what the programs write.
pub(crate) fn new_folder() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("moviebooking-kube-").tempdir().context("cannot make a temporary folder")
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.end();
    }
}
