//! The JSON form of a configuration: which fields there are, and in which order.

use std::collections::BTreeMap;

use chrono::SecondsFormat;

use super::fields::Fields;
use super::json::{JsonError, ObjectWriter};
use super::{DeploymentSource, FlyteExecConf, FlyteIdentifier, ScheduleText, Secret, WorkflowConfiguration};

impl WorkflowConfiguration {
    pub(super) fn read(mut fields: Fields) -> Result<Self, JsonError> {
        let configuration = Self {
            id: fields.required_text("id")?,
            schedule: ScheduleText::new(&fields.required_plain_text("schedule")?),
            offset: fields.text("offset")?,
            commit_sha: fields.text("commit_sha")?,
            docker_image: fields.text("docker_image")?,
            docker_args: fields.texts("docker_args")?,
            docker_termination_logging: fields.flag("docker_termination_logging")?,
            service_account: fields.text("service_account")?,
            resources: fields.texts("resources")?.unwrap_or_default(),
            env: fields.map("env")?,
            running_timeout: fields.span("running_timeout")?,
            retry_condition: fields.text("retry_condition")?,
            flyte_exec_conf: fields.object("flyte_exec_conf")?.map(FlyteExecConf::read).transpose()?,
            deployment_source: fields.object("deployment_source")?.map(DeploymentSource::read).transpose()?,
            deployment_time: fields.instant("deployment_time")?,
            secret: fields.object("secret")?.map(Secret::read).transpose()?,
            docker_command: fields.texts("docker_command")?,
            pod: fields.pod("pod")?,
        };
        fields.finish()?;
        Ok(configuration)
    }

    pub(super) fn write(&self) -> ObjectWriter {
        let mut object = ObjectWriter::new();
        object.text("id", &self.id).text("schedule", self.schedule.as_str());
        optional_text(&mut object, "offset", self.offset.as_deref());
        optional_text(&mut object, "commit_sha", self.commit_sha.as_deref());
        optional_text(&mut object, "docker_image", self.docker_image.as_deref());
        object.optional("docker_args", self.docker_args.as_deref(), |object, name, args| {
            object.texts(name, args);
        });
        object.raw("docker_termination_logging", &self.docker_termination_logging.to_string());
        optional_text(&mut object, "service_account", self.service_account.as_deref());
        object.texts("resources", &self.resources);
        object.raw("env", &map(&self.env));
        object.optional("running_timeout", self.running_timeout, |object, name, span| {
            object.raw(name, &span.to_decimal());
        });
        optional_text(&mut object, "retry_condition", self.retry_condition.as_deref());
        object.optional("flyte_exec_conf", self.flyte_exec_conf.as_ref(), |object, name, flyte| {
            object.raw(name, &flyte.write().finish());
        });
        object.optional("deployment_source", self.deployment_source.as_ref(), |object, name, source| {
            object.raw(name, &source.write().finish());
        });
        object.optional("deployment_time", self.deployment_time, |object, name, at| {
            object.text(name, &at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        });
        if let Some(secret) = &self.secret {
            object.raw("secret", &secret.write().finish());
        }
        if let Some(command) = &self.docker_command {
            object.texts("docker_command", command);
        }
        if let Some(pod) = &self.pod {
            object.raw("pod", pod.as_json());
        }
        object
    }
}

impl FlyteExecConf {
    fn read(mut fields: Fields) -> Result<Self, JsonError> {
        let reference_id = fields.object("reference_id")?.ok_or_else(|| fields.missing("reference_id"))?;
        let conf =
            Self { reference_id: FlyteIdentifier::read(reference_id)?, input_fields: fields.map("input_fields")? };
        fields.finish()?;
        Ok(conf)
    }

    fn write(&self) -> ObjectWriter {
        let mut object = ObjectWriter::new();
        object.raw("reference_id", &self.reference_id.write().finish());
        object.raw("input_fields", &map(&self.input_fields));
        object
    }
}

impl FlyteIdentifier {
    fn read(mut fields: Fields) -> Result<Self, JsonError> {
        let identifier = Self {
            resource_type: fields.required_text("resource_type")?,
            project: fields.required_text("project")?,
            domain: fields.required_text("domain")?,
            name: fields.required_text("name")?,
            version: fields.required_text("version")?,
        };
        fields.finish()?;
        Ok(identifier)
    }

    fn write(&self) -> ObjectWriter {
        let mut object = ObjectWriter::new();
        object.text("resource_type", &self.resource_type).text("project", &self.project);
        object.text("domain", &self.domain).text("name", &self.name).text("version", &self.version);
        object
    }
}

impl DeploymentSource {
    fn read(mut fields: Fields) -> Result<Self, JsonError> {
        let source = Self { repository: fields.text("repository")?, source: fields.required_text("source")? };
        fields.finish()?;
        Ok(source)
    }

    fn write(&self) -> ObjectWriter {
        let mut object = ObjectWriter::new();
        optional_text(&mut object, "repository", self.repository.as_deref());
        object.text("source", &self.source);
        object
    }
}

impl Secret {
    fn read(mut fields: Fields) -> Result<Self, JsonError> {
        let secret = Self { name: fields.required_text("name")?, mount_path: fields.required_text("mount_path")? };
        fields.finish()?;
        Ok(secret)
    }

    fn write(&self) -> ObjectWriter {
        let mut object = ObjectWriter::new();
        object.text("name", &self.name).text("mount_path", &self.mount_path);
        object
    }
}

fn optional_text(object: &mut ObjectWriter, name: &str, text: Option<&str>) {
    object.optional(name, text, |object, name, text| {
        object.text(name, text);
    });
}

fn map(texts: &BTreeMap<String, String>) -> String {
    let mut object = ObjectWriter::new();
    for (key, value) in texts {
        object.text(key, value);
    }
    object.finish()
}
