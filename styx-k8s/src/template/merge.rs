//! Merges a template over a pod.

use k8s_openapi::{
    DeepMerge,
    api::core::v1::{Container, EnvVar, Pod, PodSpec, PodTemplateSpec, Volume},
};
use styx_core::workflow::folders_of;

use super::{Template, error::TemplateError};
use crate::pod::MAIN_CONTAINER;

/// Merges a template over a pod.
pub(super) fn merge(pod: &mut Pod, template: &PodTemplateSpec) {
    let PodTemplateSpec { metadata, mut spec } = template.clone();
    if let (Some(current), Some(new)) = (&mut pod.spec, &mut spec) {
        replace_items(current, new);
    }
    pod.spec.merge_from(spec);
    if let Some(metadata) = metadata {
        pod.metadata.merge_from(metadata);
    }
}

/// Moves what replaces an item as a whole into the pod.
fn replace_items(current: &mut PodSpec, new: &mut PodSpec) {
    replace(&mut current.volumes, &mut new.volumes, |volume: &Volume| &volume.name);
    replace_env(&mut current.containers, &mut new.containers);
    if let (Some(current), Some(new)) = (&mut current.init_containers, &mut new.init_containers) {
        replace_env(current, new);
    }
}

fn replace_env(current: &mut [Container], new: &mut [Container]) {
    for new in new {
        if let Some(current) = current.iter_mut().find(|current| current.name == new.name) {
            replace(&mut current.env, &mut new.env, |variable: &EnvVar| &variable.name);
        }
    }
}

/// In its place, since a variable may only refer to those before it.
fn replace<T>(current: &mut Option<Vec<T>>, new: &mut Option<Vec<T>>, name: fn(&T) -> &String) {
    let (Some(current), Some(items)) = (current, new) else { return };
    for item in std::mem::take(items) {
        match current.iter_mut().find(|current| name(current) == name(&item)) {
            Some(place) => *place = item,
            None => items.push(item),
        }
    }
}

/// Finds what in a template would replace a volume or a mount that Styx itself has put into this pod.
pub fn check_merged(base: &Pod, template: &Template) -> Vec<TemplateError> {
    let (Some(base), Some(spec)) = (&base.spec, &template.0.spec) else { return Vec::new() };
    let mut errors = Vec::new();
    for (at, volume) in spec.volumes.iter().flatten().enumerate() {
        if base.volumes.iter().flatten().any(|taken| taken.name == volume.name) {
            let text = format!("{:?} is the volume of the workflow's own secret: choose another name", volume.name);
            errors.push(TemplateError::new(format!("spec.volumes[{at}].name"), text));
        }
    }
    let taken = base.containers.iter().flat_map(|container| container.volume_mounts.iter().flatten());
    let taken: Vec<_> = taken.map(|mount| folders_of(&mount.mount_path)).collect();
    for (place, container) in spec.containers.iter().enumerate().filter(|(_, one)| one.name == MAIN_CONTAINER) {
        for (at, mount) in container.volume_mounts.iter().flatten().enumerate() {
            if taken.contains(&folders_of(&mount.mount_path)) {
                let path = format!("spec.containers[{place}].volumeMounts[{at}].mountPath");
                let text = format!(
                    "{:?} is where the workflow's own secret is mounted: choose another path",
                    mount.mount_path
                );
                errors.push(TemplateError::new(path, text));
            }
        }
    }
    errors
}
