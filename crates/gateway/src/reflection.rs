//! What gRPC reflection shows: the services that callers outside the platform may reach.

use std::{collections::BTreeSet, sync::LazyLock};

use moviebooking_proto::access::{self, Level};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::table::Table;

/// The full names of the services that are offered, in order.
pub(crate) fn services(table: &Table) -> Vec<String> {
    let names: BTreeSet<String> =
        table.routes.iter().map(|route| route.rpc.parent_service().full_name().to_owned()).collect();
    names.into_iter().collect()
}

/// The platform's descriptor set without the services that stay inside. `None` if it cannot be read.
pub(crate) fn descriptor_set() -> Option<&'static [u8]> {
    static SET: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| public(access::pool()));
    SET.as_deref()
}

/// Takes the services out as messages of the pool itself: decoding into generated types would drop the options.
fn public(pool: &DescriptorPool) -> Option<Vec<u8>> {
    let set = pool.get_message_by_name("google.protobuf.FileDescriptorSet")?;
    let mut set = DynamicMessage::decode(set, moviebooking_proto::DESCRIPTOR_SET).ok()?;
    for file in set.get_field_by_name_mut("file")?.as_list_mut()? {
        let file = file.as_message_mut()?;
        // Positions in the source would be wrong for what stands behind a service that was taken out.
        file.clear_field_by_name("source_code_info");
        let package = text(file, "package");
        file.get_field_by_name_mut("service")?.as_list_mut()?.retain(|service| {
            let name = service.as_message().map(|service| text(service, "name")).unwrap_or_default();
            let service = pool.get_service_by_name(&format!("{package}.{name}"));
            service.is_some_and(|service| {
                service.methods().any(|rpc| {
                    access::of(&access::path(&rpc)).is_some_and(|rule| rule.level != Level::Internal)
                })
            })
        });
    }
    Some(set.encode_to_vec())
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message
        .get_field_by_name(field)
        .and_then(|value| value.as_ref().as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_inside_is_not_shown() {
        let pool = DescriptorPool::decode(descriptor_set().unwrap()).unwrap();
        let names: Vec<_> = pool.services().map(|service| service.full_name().to_owned()).collect();
        assert!(names.contains(&"moviebooking.users.v1.UsersService".to_owned()), "{names:?}");
        assert!(names.iter().all(|name| !name.ends_with("Internal")), "{names:?}");
        let login =
            pool.get_service_by_name("moviebooking.users.v1.UsersService").unwrap().methods().next().unwrap();
        let http = pool.get_extension_by_name("google.api.http").unwrap();
        assert!(login.options().has_extension(&http), "the options are kept");
    }
}
