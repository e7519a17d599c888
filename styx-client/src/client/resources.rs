//! Resources.

use reqwest::Method;

use super::Client;
use crate::{Error, Resource, ResourcesPayload};

impl Client {
    /// All resources.
    ///
    /// # Errors
    /// As all requests.
    pub fn resources(&self) -> Result<ResourcesPayload, Error> {
        self.get(&["resources"], &[])
    }

    /// A resource.
    ///
    /// # Errors
    /// As all requests; refused with 404 if there is no such resource.
    pub fn resource(&self, id: &str) -> Result<Resource, Error> {
        self.get(&["resources", id], &[])
    }

    /// Creates a resource, or replaces the one of that name.
    ///
    /// # Errors
    /// As all requests.
    pub fn create_resource(&self, resource: &Resource) -> Result<Resource, Error> {
        self.send(self.call(Method::POST, &["resources"], &[]).with(resource).keyed())?.read()
    }

    /// Changes a resource, or creates it.
    ///
    /// # Errors
    /// As all requests.
    pub fn update_resource(&self, resource: &Resource) -> Result<Resource, Error> {
        self.send(self.call(Method::PUT, &["resources", &resource.id], &[]).with(resource))?.read()
    }

    /// Deletes a resource. It is no error if there is none.
    ///
    /// # Errors
    /// As all requests.
    pub fn delete_resource(&self, id: &str) -> Result<(), Error> {
        self.send(self.call(Method::DELETE, &["resources", id], &[])).map(drop)
    }
}
