//! An API server, the operator, and somebody who does the work of Kubernetes' controllers.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::{Job, JobStatus},
    core::v1::Namespace,
    networking::v1::IngressClass,
    rbac::v1::{ClusterRoleBinding, RoleBinding},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
};
use moviebooking_cluster::ApiServer;
use moviebooking_launch::Process;
use moviebooking_operator::{
    api::{self, MovieBookingPlatform},
    rbac,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{cloud_native_pg, rights::may};

/// The namespace of the operator itself.
pub(crate) const SYSTEM: &str = "moviebooking-system";
/// Who the operator is for the API server.
pub(crate) const OPERATOR: &str = "system:serviceaccount:moviebooking-system:moviebooking-operator";
/// What is waited for happens within this time.
const BOUND: Duration = Duration::from_secs(60);

/// The server that tests share, each in a namespace of its own.
static SHARED: LazyLock<(ApiServer, Operator)> = LazyLock::new(|| {
    let server = ApiServer::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = admin(&server).await;
        install(&client).await;
        define(&client, cloud_native_pg::definitions()).await;
    });
    let operator = Operator::start(&server, "shared");
    (server, operator)
});

/// A process of the operator.
pub(crate) struct Operator {
    process: Option<Process>,
    log: PathBuf,
    metrics: String,
    _folder: TempDir,
}

impl Operator {
    /// Starts one.
    pub(crate) fn start(server: &ApiServer, identity: &str) -> Self {
        Self::start_as(OPERATOR, SYSTEM, server, identity)
    }

    /// Starts one that is another user, in a namespace of its own.
    pub(crate) fn start_as(user: &str, namespace: &str, server: &ApiServer, identity: &str) -> Self {
        let kubeconfig = server.kubeconfig_of(user, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("operator.log");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut command = Command::new(env!("CARGO_BIN_EXE_moviebooking-operator"));
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("MOVIEBOOKING_OPERATOR_NAMESPACE", namespace)
            .env("MOVIEBOOKING_OPERATOR_IDENTITY", identity)
            .env("MOVIEBOOKING_METRICS_LISTEN", &metrics)
            .env("MOVIEBOOKING_LOG", "info,moviebooking_operator=debug")
            .current_dir(folder.path());
        let process = Process::start(&command, &log).unwrap();
        Self { process: Some(process), log, metrics, _folder: folder }
    }

    /// What it answers at a path of its metrics' port; nothing while it does not listen.
    pub(crate) async fn answer(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://{}{path}", self.metrics)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// The sum of a metric over the labels that contain `label`.
    pub(crate) async fn sum(&self, metric: &str, label: &str) -> u64 {
        let (_, text) = self.answer("/metrics").await.unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with(metric) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Its resident memory, and what of that is not its program, in MiB.
    pub(crate) fn memory(&self) -> [u64; 2] {
        let id = self.process.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        ["VmRSS:", "RssAnon:"].map(|name| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        })
    }

    /// Whether it has not ended by itself.
    pub(crate) fn runs(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| Path::new(&format!("/proc/{}", process.id())).exists())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.process.take().unwrap().stop().unwrap();
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill().unwrap();
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A namespace for one test.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) operator: Option<&'static Operator>,
}

impl World {
    /// On the shared server, with the shared operator.
    pub(crate) async fn shared() -> Self {
        let (server, operator) = tokio::task::spawn_blocking(|| &*SHARED).await.unwrap();
        Self { operator: Some(operator), ..Self::on(server).await }
    }

    /// The kubeconfig of somebody who may do everything on the shared server.
    pub(crate) fn kubeconfig() -> &'static Path {
        SHARED.0.kubeconfig()
    }

    /// On a server of the test's own.
    pub(crate) async fn on(server: &ApiServer) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let client = admin(server).await;
        let namespace = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        make_namespace(&client, &namespace).await;
        Self { client, namespace, operator: None }
    }

    pub(crate) fn api<T>(&self) -> Api<T>
    where
        T: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Writes the platform `cinema`.
    pub(crate) async fn write(&self, spec: &Value) -> Result<(), kube::Error> {
        let platform = json!({
            "apiVersion": "moviebooking.dev/v1alpha1", "kind": "MovieBookingPlatform",
            "metadata": { "name": "cinema" }, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        let resource = ApiResource::erase::<MovieBookingPlatform>(&());
        // What cannot be read as a platform can be written.
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &self.namespace, &resource);
        api.patch("cinema", &params, &Patch::Apply(&platform)).await.map(drop)
    }

    pub(crate) async fn platform(&self) -> MovieBookingPlatform {
        self.api::<MovieBookingPlatform>().get("cinema").await.unwrap()
    }

    /// Does what Kubernetes' controllers would, for the objects whose names `which` takes: Jobs complete, Deployments and
    /// StatefulSets are rolled out.
    pub(crate) async fn work(&self, which: impl Fn(&str) -> bool) {
        let (all, params) = (ListParams::default(), PatchParams::default());
        let now = "2026-01-01T00:00:00Z";
        let condition = |type_: &str| json!({ "type": type_, "status": "True", "lastTransitionTime": now });
        let jobs = self.api::<Job>();
        for job in jobs.list(&all).await.unwrap().into_iter().filter(|job| which(&job.name_any())) {
            let ended = |status: &JobStatus| status.completion_time.is_some() || status.failed.is_some();
            let done = job.status.as_ref().is_some_and(ended);
            if !done {
                let status = json!({ "status": {
                    "startTime": now, "completionTime": now, "succeeded": 1,
                    "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
                } });
                // It may be gone in the meantime.
                let _ = jobs.patch_status(&job.name_any(), &params, &Patch::Merge(&status)).await;
            }
        }
        let deployments = self.api::<Deployment>();
        for deployment in deployments.list(&all).await.unwrap().into_iter().filter(|it| which(&it.name_any()))
        {
            let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            let status = json!({ "status": {
                "observedGeneration": deployment.metadata.generation, "replicas": replicas,
                "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            } });
            let _ = deployments.patch_status(&deployment.name_any(), &params, &Patch::Merge(&status)).await;
        }
        let servers = self.api::<StatefulSet>();
        for server in servers.list(&all).await.unwrap().into_iter().filter(|it| which(&it.name_any())) {
            let status = json!({ "status": { "replicas": 1, "readyReplicas": 1 } });
            let _ = servers.patch_status(&server.name_any(), &params, &Patch::Merge(&status)).await;
        }
        cloud_native_pg::work(&self.client, &self.namespace, which).await;
    }

    /// Waits until `condition` holds of the platform, while everything is done that Kubernetes' controllers would.
    pub(crate) async fn working_until(&self, what: &str, condition: impl Fn(&MovieBookingPlatform) -> bool) {
        self.working_on_until(|_| true, what, condition).await;
    }

    /// The same while what is not taken by `which` is left undone.
    pub(crate) async fn working_on_until(
        &self,
        which: impl Fn(&str) -> bool,
        what: &str,
        condition: impl Fn(&MovieBookingPlatform) -> bool,
    ) {
        let begun = Instant::now();
        loop {
            self.work(&which).await;
            let platform = self.platform().await;
            if condition(&platform) {
                return;
            }
            if begun.elapsed() > BOUND {
                let log = self.operator.map(Operator::log).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(30).collect();
                panic!("not {what}: {:#?}\n{}", platform.status, end.join("\n"));
            }
            pause().await;
        }
    }

    /// A platform of this specification that serves.
    pub(crate) async fn serving(&self, spec: &Value) {
        self.write(spec).await.unwrap();
        let generation = self.platform().await.metadata.generation;
        self.working_until("serving", |platform| is_ready(platform, generation)).await;
    }
}

/// Whether the platform's status says of this generation that it is ready.
pub(crate) fn is_ready(platform: &MovieBookingPlatform, generation: Option<i64>) -> bool {
    condition(platform, "Ready").is_some_and(|(status, _, _)| status == "True")
        && platform.status.as_ref().is_some_and(|status| status.observed_generation >= generation)
}

/// Status, reason and message of a condition.
pub(crate) fn condition(platform: &MovieBookingPlatform, type_: &str) -> Option<(String, String, String)> {
    let conditions = &platform.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status.clone(), found.reason.clone(), found.message.clone()))
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < BOUND, "not {what}");
        pause().await;
    }
}

/// Between two looks at a condition.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// A client that may do everything.
pub(crate) async fn admin(server: &ApiServer) -> Client {
    moviebooking_serve::install_crypto_provider();
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

pub(crate) async fn make_namespace(client: &Client, name: &str) {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

/// The admission policies that the chart installs, and what binds them.
async fn admit(client: &Client) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/operator.yaml");
    let manifests = std::fs::read_to_string(path).unwrap();
    for document in manifests.split("\n---\n").filter(|it| it.contains("kind: ValidatingAdmissionPolicy")) {
        let object: DynamicObject = serde_saphyr::from_str(document).unwrap();
        let kind = &object.types.as_ref().unwrap().kind;
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let api = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

/// What a cluster needs before the operator can run: its definitions and policies, its roles and who has them.
pub(crate) async fn install(client: &Client) {
    define(client, api::definitions()).await;
    admit(client).await;
    let params = PostParams::default();
    make_namespace(client, SYSTEM).await;
    let class: IngressClass = serde_json::from_value(json!({
        "metadata": { "name": "proxy", "annotations": { "ingressclass.kubernetes.io/is-default-class": "true" } },
        "spec": { "controller": "example.com/proxy" },
    }))
    .unwrap();
    Api::all(client.clone()).create(&params, &class).await.unwrap();
    let subject = json!([{ "kind": "ServiceAccount", "name": "moviebooking-operator", "namespace": SYSTEM }]);
    let binding = |kind: &str| {
        json!({
            "metadata": { "name": rbac::ROLE },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": rbac::ROLE },
            "subjects": subject,
        })
    };
    Api::all(client.clone()).create(&params, &rbac::cluster_role()).await.unwrap();
    Api::namespaced(client.clone(), SYSTEM).create(&params, &rbac::role()).await.unwrap();
    let everywhere: ClusterRoleBinding = serde_json::from_value(binding("ClusterRole")).unwrap();
    Api::all(client.clone()).create(&params, &everywhere).await.unwrap();
    let at_home: RoleBinding = serde_json::from_value(binding("Role")).unwrap();
    Api::namespaced(client.clone(), SYSTEM).create(&params, &at_home).await.unwrap();
    // The server learns of bindings by a watch of its own.
    let lease = ["coordination.k8s.io", "leases", "get"].map(str::to_owned).into();
    until("the operator may lead", async || may(client, OPERATOR, SYSTEM, &lease).await).await;
}

/// Defines custom resources, and waits until the server serves them.
pub(crate) async fn define(client: &Client, definitions: impl IntoIterator<Item = CustomResourceDefinition>) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in definitions {
        api.create(&PostParams::default(), &definition).await.unwrap();
        let name = definition.name_any();
        until("the definition is served", async || {
            let status = api.get(&name).await.unwrap().status;
            let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
            let held = |type_: &str| conditions.iter().any(|it| it.type_ == type_ && it.status == "True");
            let structural = conditions.iter().find(|it| it.type_ == "NonStructuralSchema");
            assert!(structural.is_none(), "{structural:?}");
            held("Established")
        })
        .await;
    }
}
