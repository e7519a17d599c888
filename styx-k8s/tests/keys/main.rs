//! The keys of service accounts: what holds whatever fails, what happens step by step, and IAM over HTTP.

mod fake_iam;
mod http;
mod iam_server;
mod laws;
mod stories;
mod world;
