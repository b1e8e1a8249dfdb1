//! What is in the images, and what is not.

use std::process::Command;

use serde_json::Value;

use crate::docker::{IMAGES, docker, image, inspect, said, try_docker, variable};

/// A container of an image that is never started, to look into.
struct Container(String);

impl Container {
    fn of(image: &str) -> Self {
        Self(docker(&["create", image]).trim().to_owned())
    }

    /// The files, as `tar` lists them: mode, owner, size, date, name.
    fn files(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("files.tar");
        docker(&["export", "--output", archive.to_str().unwrap(), &self.0]);
        let list = Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
        String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect()
    }

    fn file(&self, path: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        docker(&["cp", &format!("{}:{path}", self.0), copy.to_str().unwrap()]);
        std::fs::read(copy).unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        try_docker(&["rm", "--force", &self.0]);
    }
}

#[test]
fn they_run_one_program_as_a_user_without_rights() {
    for name in IMAGES {
        let config = &inspect(&image(name))["Config"];
        assert_eq!(config["User"], "65532:65532", "{name}");
        assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/moviebooking"]), "{name}");
        let labels = &config["Labels"];
        let label =
            |key: &str| labels[format!("org.opencontainers.image.{key}")].as_str().unwrap_or_default();
        assert_eq!(label("title"), format!("moviebooking-{name}"));
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(label("licenses"), "Apache-2.0");
        assert!(!label("revision").is_empty() && !label("base.name").is_empty(), "{labels}");
        assert!(label("description").contains(name), "{labels}");
    }
}

#[test]
fn the_program_runs_on_a_read_only_root_without_capabilities_and_network() {
    for name in IMAGES {
        let confined = [
            "run",
            "--rm",
            "--read-only",
            "--cap-drop=ALL",
            "--network=none",
            "--security-opt=no-new-privileges",
        ];
        let image = image(name);
        let version = docker(&[&confined[..], &[&image, "--version"]].concat());
        assert!(version.trim_end().ends_with(env!("CARGO_PKG_VERSION")), "{version}");
        // Without settings: one line that says what to do.
        if name != "gateway" && name != "standalone" {
            let refused = try_docker(&[&confined[..], &[&image]].concat());
            let error = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(64), "{error}");
            assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        }
    }
}

#[test]
fn there_is_no_shell_and_nothing_that_its_user_may_write() {
    for name in IMAGES {
        let files = Container::of(&image(name)).files();
        let named = |line: &str| line.rsplit(' ').next().unwrap_or_default().trim_end_matches('/').to_owned();
        for shell in ["sh", "bash", "dash", "busybox", "perl", "python3", "apt", "dpkg"] {
            let found = files
                .iter()
                .find(|line| named(line).rsplit('/').next() == Some(shell) && line.starts_with('-'));
            assert_eq!(found, None, "{name}");
        }
        let program = files.iter().find(|line| line.ends_with(" usr/local/bin/moviebooking")).unwrap();
        assert!(
            program.starts_with("-rwxr-xr-x 0/0 ") || program.starts_with("-rwxr-xr-x root/root "),
            "{program}"
        );
        // Set-user-id programs, and files that anybody may write to.
        let dangerous = files
            .iter()
            .find(|line| line.starts_with('-') && (line[..10].contains('s') || &line[8..9] == "w"));
        assert_eq!(dangerous, None, "{name}");
        let shell = try_docker(&[
            "run",
            "--rm",
            "--network=none",
            "--entrypoint=/bin/sh",
            &image(name),
            "-c",
            "true",
        ]);
        assert!(!shell.status.success());
    }
}

#[test]
fn the_bill_of_materials_lists_what_the_program_is_built_of() {
    for name in IMAGES {
        let container = Container::of(&image(name));
        let text = container.file("/usr/share/doc/moviebooking/sbom.cdx.json");
        let bill: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            (&bill["bomFormat"], &bill["specVersion"]),
            (&"CycloneDX".into(), &"1.5".into()),
            "{name}"
        );
        let program = &bill["metadata"]["component"];
        assert_eq!(program["version"], env!("CARGO_PKG_VERSION"), "{name}");
        let parts = bill["components"].as_array().unwrap();
        let tonic = parts.iter().find(|part| part["name"] == "tonic").unwrap();
        let purl = tonic["purl"].as_str().unwrap();
        assert!(purl.starts_with("pkg:cargo/tonic@") && tonic["hashes"][0]["alg"] == "SHA-256", "{tonic}");
        // Neither what only tests use, nor where it was built.
        assert!(!parts.iter().any(|part| part["name"] == "proptest"), "{name}");
        assert!(
            !String::from_utf8_lossy(&text).contains(env!("CARGO_MANIFEST_DIR").trim_end_matches("/tests"))
        );
        assert!(
            String::from_utf8_lossy(&container.file("/usr/share/doc/moviebooking/LICENSE"))
                .contains("Apache")
        );
    }
}

#[test]
fn buildah_builds_the_same_from_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let buildah = |arguments: &[&str]| {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(folder.path().join("root")).arg("--runroot").arg(folder.path().join("run"));
        // What needs neither privileges nor file systems that a container may not have.
        buildah.args(["--storage-driver=vfs"]).args(arguments);
        said(&buildah.output().unwrap(), &format!("buildah {arguments:?}"))
    };
    let archive = folder.path().join("base.tar");
    let base = format!("{}/base", variable("MOVIEBOOKING_IMAGES"));
    docker(&["save", "--output", archive.to_str().unwrap(), &base]);
    buildah(&["pull", "--quiet", &format!("docker-archive:{}", archive.display())]);
    let context = moviebooking_tests::programs().parent().unwrap().join("images/users");
    let containerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/../Containerfile");
    let base = format!("--build-arg=BASE=localhost/{base}");
    buildah(&[
        "build",
        "--quiet",
        "--isolation=chroot",
        "--file",
        containerfile,
        "--target=prebuilt",
        &base,
        "--build-arg=SERVICE=users",
        "--tag=users",
        context.to_str().unwrap(),
    ]);
    let built: Value = serde_json::from_str(&buildah(&["inspect", "--type=image", "users"])).unwrap();
    let (ours, theirs) = (&built["OCIv1"]["config"], &inspect(&image("users"))["Config"]);
    for key in ["User", "Entrypoint"] {
        assert_eq!(ours[key], theirs[key]);
    }
    let title = "org.opencontainers.image.title";
    assert_eq!(ours["Labels"][title], theirs["Labels"][title]);
}
