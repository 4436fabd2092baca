//! Forges: what they publish of their webhooks is read right, and what is sent to them is what they publish to take.

#![allow(clippy::unwrap_used)]

mod damaged;
mod desired;
mod fake;
mod gitea;
mod github;
mod gitlab;
mod sending;
mod sending_github;
mod support;
