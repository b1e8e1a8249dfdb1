//! A cluster of one node that runs pods.

mod addons;
mod configuration;
mod pause;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail};
use moviebooking_launch::{Process, command, wait_until};

use crate::{
    api_server::{ACCOUNTS_KEY, AUTHORITY, ApiServer, Purpose, SERVER, new_folder},
    machine::Machine,
    place::{Inside, Place},
};

/// The node's name.
const NAME: &str = "node-1";
/// Its address, on the loopback interface of its network.
const ADDRESS: &str = "172.30.255.1";
/// Where pods are.
const PODS: &str = "10.244.0.0/24";
/// Where the API server's and the name server's Services are, in the range that the API server is given.
const API_SERVICE: &str = "10.96.0.1";
const DNS_SERVICE: &str = "10.96.0.10";
/// How many volumes there are to be claimed.
const VOLUMES: usize = 12;
/// Within this time the container runtime answers, and the node is ready.
const READY_BOUND: Duration = Duration::from_secs(90);

/// A cluster of one node: a control plane, containerd, kubelet, kube-proxy, cluster DNS, and volumes for the storage class
/// `standard`. Dropping it ends all of it with whatever runs there, and removes its data.
pub struct Node {
    processes: Vec<Process>,
    api: ApiServer,
    machine: Option<Machine>,
}

impl Node {
    /// Starts everything and waits until the node is ready and its Services are reached.
    ///
    /// # Errors
    /// When this is not root, a program is missing, or what a program said.
    pub fn start() -> anyhow::Result<Self> {
        let folder = new_folder()?;
        for number in 1..=VOLUMES {
            let volume = folder.path().join(format!("volumes/{number}"));
            fs::create_dir_all(&volume)?;
            // Whoever claims it owns no file on this machine.
            fs::set_permissions(&volume, fs::Permissions::from_mode(0o777))?;
        }
        let machine = Machine::start(folder.path(), ADDRESS)?;
        let place = Place { folder: folder.path().to_owned(), machine: Some(machine.id) };
        let file = |name: &str| place.file(name).display().to_string();
        let arguments = [
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged".to_owned(),
            format!("--kubelet-client-certificate={}", file(SERVER[0])),
            format!("--kubelet-client-key={}", file(SERVER[1])),
            format!("--kubelet-certificate-authority={}", file(AUTHORITY)),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ];
        let purpose = Purpose {
            place,
            address: ADDRESS,
            names: &["kubernetes", "kubernetes.default", "kubernetes.default.svc", API_SERVICE],
            arguments: &arguments,
        };
        let api = ApiServer::start_for(purpose, folder)?;
        let mut node = Self { processes: vec![], api, machine: Some(machine) };
        node.start_controllers()?;
        node.start_containers()?;
        node.start_names()?;
        let addons = node.api.place.write("addons.json", &addons::list().to_string())?;
        command::output(node.kubectl()?.args(["apply", "--filename"]).arg(addons))?;
        let ready = || {
            let mut look = node.kubectl()?;
            // By its Service, so that Services lead somewhere as well.
            look.arg(format!("--server=https://{API_SERVICE}")).arg("--request-timeout=5s");
            // A node with a taint is ready as well, and runs nothing.
            let wanted = "{.status.conditions[?(@.type=='Ready')].status}{.spec.taints}";
            look.args(["get", "node", NAME, &format!("--output=jsonpath={wanted}")]);
            Ok(command::output(&mut look).is_ok_and(|said| said.trim() == "True"))
        };
        wait_until(READY_BOUND, "the node runs no pods", ready).with_context(|| node.last_words())?;
        Ok(node)
    }

    /// The kubeconfig of somebody who may do everything, for use in the cluster's network.
    pub fn kubeconfig(&self) -> &Path {
        self.api.kubeconfig()
    }

    /// The folder with its logs and the volumes.
    pub fn folder(&self) -> &Path {
        &self.api.place.folder
    }

    /// `kubectl` as somebody who may do everything: add its arguments.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn kubectl(&self) -> anyhow::Result<Command> {
        self.api.kubectl()
    }

    /// Starts the API server again if it has ended: whoever keeps a node calls this now and then.
    ///
    /// # Errors
    /// When it does not become ready, or another of the node's programs has ended: what it said.
    pub fn mend(&mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            if let Some(status) = process.ended()? {
                bail!("a program of the node has ended ({status}):\n{}", process.last_words());
            }
        }
        self.api.mend()
    }

    /// A program in the cluster's network, where pods and Services are reached: add its arguments.
    ///
    /// # Errors
    /// When `nsenter` is missing.
    pub fn beside(&self, program: &Path) -> anyhow::Result<Command> {
        self.api.place.command(program, Inside::Network)
    }

    /// What the cluster says of the node, and the last lines that each of its programs wrote.
    fn last_words(&self) -> String {
        let described =
            self.kubectl().and_then(|mut kubectl| command::output(kubectl.args(["describe", "node", NAME])));
        let described = described.unwrap_or_else(|error| format!("{error:#}"));
        let words = self.processes.iter().map(Process::last_words);
        [described].into_iter().chain(words).collect::<Vec<_>>().join("\n")
    }

    fn start_controllers(&mut self) -> anyhow::Result<()> {
        let place = &self.api.place;
        for (name, more) in [
            (
                "kube-controller-manager",
                vec![
                    "--use-service-account-credentials".to_owned(),
                    format!("--service-account-private-key-file={}", place.file(ACCOUNTS_KEY).display()),
                    format!("--root-ca-file={}", place.file(AUTHORITY).display()),
                    // It is not told by heartbeats whether the machine is there, and they stop with the API server.
                    "--node-monitor-grace-period=10m".to_owned(),
                ],
            ),
            ("kube-scheduler", vec![]),
        ] {
            let kubeconfig = self.api.kubeconfig_of(&format!("system:{name}"), None)?.display().to_string();
            let mut arguments = vec!["--leader-elect=false".to_owned()];
            for option in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
                arguments.push(format!("--{option}={kubeconfig}"));
            }
            arguments.extend(more);
            self.processes.push(place.start(&self.api.programs.path(name)?, Inside::Network, &arguments)?);
        }
        Ok(())
    }

    fn start_containers(&mut self) -> anyhow::Result<()> {
        let place = &self.api.place;
        fs::create_dir(place.file("cni"))?;
        place.write("cni/pods.conflist", &configuration::network(place).to_string())?;
        let configuration = place.write("containerd.toml", &configuration::containerd(place))?;
        let containerd = command::on_path("containerd")
            .context("containerd is not in PATH: the Debian package is `containerd`")?;
        let option = format!("--config={}", configuration.display());
        self.processes.push(place.start(&containerd, Inside::Machine, &[option])?);
        let answers = || Ok(command::output(ctr(place)?.arg("version")).is_ok());
        wait_until(READY_BOUND, "containerd does not answer", answers)?;
        import(place, &pause::archive(&place.folder)?)?;

        let user = format!("system:node:{NAME}");
        let kubeconfig = self.api.kubeconfig_of(&user, Some("system:nodes"))?;
        let identity = self.api.authority.issue(&user, Some("system:nodes"), &[NAME, ADDRESS])?;
        place.write("kubelet.crt", &identity.certificate)?;
        place.write("kubelet.key", &identity.key)?;
        place.write("resolv.conf", "")?;
        let configuration = place.write("kubelet.json", &configuration::kubelet(place).to_string())?;
        self.processes.push(place.start(
            &self.api.programs.path("kubelet")?,
            Inside::Machine,
            &[
                format!("--config={}", configuration.display()),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--root-dir={}", place.file("kubelet").display()),
                format!("--node-ip={ADDRESS}"),
                format!("--hostname-override={NAME}"),
            ],
        )?);

        let kubeconfig = self.api.kubeconfig_of("system:kube-proxy", None)?;
        self.processes.push(place.start(
            &self.api.programs.path("kube-proxy")?,
            Inside::Machine,
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--hostname-override={NAME}"),
                "--proxy-mode=iptables".to_owned(),
                format!("--cluster-cidr={PODS}"),
                // The limits are the machine's, whose others are not to be touched.
                "--conntrack-max-per-core=0".to_owned(),
                "--conntrack-min=0".to_owned(),
                "--conntrack-tcp-timeout-established=0".to_owned(),
                "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            ],
        )?);
        Ok(())
    }

    /// Cluster DNS, beside the pods: there is no image of it.
    fn start_names(&mut self) -> anyhow::Result<()> {
        let place = &self.api.place;
        let configuration =
            place.write("Corefile", &configuration::names(&self.api.kubeconfig().display().to_string()))?;
        let arguments = ["-conf".to_owned(), configuration.display().to_string()];
        let program = self.api.programs.path("coredns")?;
        self.processes.push(place.start(&program, Inside::Network, &arguments)?);
        Ok(())
    }
}

/// Puts the images of an archive, as `docker save` makes it, into the node that keeps its data in this folder.
///
/// # Errors
/// When no node runs there, or the archive is none.
pub fn load(folder: &Path, archive: &Path) -> anyhow::Result<()> {
    let machine = folder.join("machine");
    let Ok(id) = fs::read_to_string(&machine) else {
        bail!("no node runs in {}: there is no {}", folder.display(), machine.display());
    };
    import(&Place { folder: folder.to_owned(), machine: Some(id.trim().parse()?) }, archive)
}

fn import(place: &Place, archive: &Path) -> anyhow::Result<()> {
    let archive = archive.canonicalize().with_context(|| format!("cannot read {}", archive.display()))?;
    command::output(ctr(place)?.args(["images", "import"]).arg(archive)).map(drop)
}

/// containerd's own client.
fn ctr(place: &Place) -> anyhow::Result<Command> {
    let program: PathBuf = command::on_path("ctr").context("ctr is not in PATH: it comes with containerd")?;
    let mut ctr = place.command(&program, Inside::Machine)?;
    ctr.args(["--namespace", "k8s.io"]);
    Ok(ctr)
}

impl Drop for Node {
    fn drop(&mut self) {
        for process in self.processes.drain(..) {
            let _ = process.kill();
        }
        self.api.end();
        if let Some(machine) = self.machine.take() {
            let _ = machine.stop();
        }
    }
}
