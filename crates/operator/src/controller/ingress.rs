//! Whether anybody serves the Ingress of a platform: one whose class nobody has defined is accepted by the API server, and
//! nothing comes of it.

use k8s_openapi::api::networking::v1::IngressClass;
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::{api::State, build::Scope};

/// Marks the class of those Ingresses that name none.
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// Whether the class of the platform's Ingress is there; nothing where it has no Ingress.
///
/// # Errors
/// When the API server does not answer as it should.
pub(super) async fn accepted(client: &Client, scope: &Scope<'_>) -> Result<Option<State>, kube::Error> {
    let Some(ingress) = &scope.spec.gateway.ingress else { return Ok(None) };
    let classes = Api::<IngressClass>::all(client.clone()).list(&ListParams::default()).await?.items;
    Ok(Some(of_class(ingress.class_name.as_deref(), &classes)))
}

fn of_class(wanted: Option<&str>, classes: &[IngressClass]) -> State {
    let is_default =
        |class: &&IngressClass| class.annotations().get(DEFAULT).is_some_and(|value| value == "true");
    let found = match wanted {
        Some(name) => classes.iter().find(|class| class.name_any() == name),
        None => classes.iter().find(is_default),
    };
    if let Some(class) = found {
        return State::holds("ClassFound", format!("the IngressClass {} is there", class.name_any()));
    }
    let names: Vec<String> = classes.iter().map(ResourceExt::name_any).collect();
    let there = if names.is_empty() {
        "there is none: install a controller for Ingress, or use spec.gateway.serviceType".to_owned()
    } else {
        format!("use one that is there ({})", names.join(", "))
    };
    State::fails(
        "IngressClassMissing",
        match wanted {
            Some(name) => format!("spec.gateway.ingress.className: there is no IngressClass {name}; {there}"),
            None => format!(
                "spec.gateway.ingress.className is not set, and no IngressClass is the cluster's default; {there}"
            ),
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_is_there_by_its_name_or_as_the_default() {
        let class = |name: &str, default: &str| -> IngressClass {
            let metadata = json!({ "name": name, "annotations": { DEFAULT: default } });
            serde_json::from_value(json!({ "metadata": metadata })).unwrap()
        };
        let classes = [class("inside", "false"), class("outside", "true")];
        for (wanted, count, holds) in [
            (Some("inside"), 2, true),
            (None, 2, true),
            (Some("nginx"), 2, false),
            (None, 1, false),
            (None, 0, false),
        ] {
            let state = of_class(wanted, &classes[..count]);
            assert_eq!(state.holds, Some(holds), "{state:?}");
            if !holds {
                assert!(state.message.starts_with("spec.gateway.ingress.className"), "{state:?}");
                assert_eq!(state.message.contains("inside"), count > 0, "{state:?}");
            }
        }
    }
}
