//! The API server, used as the tests of controllers use it.

use std::time::Duration;

use moviebooking_cluster::ApiServer;
use moviebooking_launch::{command::output, wait_until};

#[test]
fn it_keeps_objects_over_a_crash_and_lets_users_do_what_roles_say() {
    let mut server = ApiServer::start().unwrap();
    let admin =
        |server: &ApiServer, arguments: &[&str]| output(server.kubectl().unwrap().args(arguments)).unwrap();
    admin(&server, &["create", "configmap", "kept", "--from-literal=key=value"]);
    server.crash().unwrap();
    server.resume().unwrap();
    assert_eq!(admin(&server, &["get", "configmap", "kept", "-o", "jsonpath={.data.key}"]), "value");

    let kubeconfig = server.kubeconfig_of("system:serviceaccount:default:reader", None).unwrap();
    let read = |what: &str| {
        output(server.kubectl().unwrap().arg("--kubeconfig").arg(&kubeconfig).args(["get", what]))
    };
    assert!(format!("{:#}", read("configmaps").unwrap_err()).contains("forbidden"));
    admin(&server, &["create", "role", "reader", "--verb=get,list", "--resource=configmaps"]);
    let account = "--serviceaccount=default:reader";
    admin(&server, &["create", "rolebinding", "reader", "--role=reader", account]);
    let may_read = || Ok(read("configmaps").is_ok());
    wait_until(Duration::from_secs(10), "what the role says counts", may_read).unwrap();
    assert!(read("secrets").is_err());
}
