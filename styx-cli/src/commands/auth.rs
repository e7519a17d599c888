//! `auth test`.

use styx_client::{Client, TestServiceAccountUsageRequest};

use crate::failure::Failure;
use crate::output::Printer;

/// Says whether a principal may run workflows as a service account, also by the exit code.
pub(crate) fn test(
    client: &Client,
    service_account: String,
    principal: String,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let request = TestServiceAccountUsageRequest { service_account, principal };
    let answer = client.test_service_account_usage(&request)?;
    let TestServiceAccountUsageRequest { service_account, principal } = request;
    let is = if answer.authorized { "is" } else { "is not" };
    let message = answer.message.unwrap_or_default();
    printer.message(&format!(
        "The principal {principal} {is} authorized to use the service account {service_account}. {message}"
    ))?;
    if answer.authorized { Ok(()) } else { Err(Failure::Denied) }
}
