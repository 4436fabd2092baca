//! The seccomp filter of every job: what no job may ask of the kernel.
//!
//! Installed by our PID 1 itself, just before it takes its first command, so that every runtime gets the
//! same filter (the built-in runtime would silently ignore one in the OCI document). Refused calls answer
//! with an error instead of a kill, as programs probe for them.
//!
//! Not in here: capabilities and namespaces, which the OCI document carries.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// Calls of newer kernels than this number are refused: nobody has judged them yet.
const LAST_KNOWN_CALL: u32 = 470;

/// Calls that are refused whatever their arguments are.
const DENIED: &[libc::c_long] = &[
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    // Doors around other rules, and large attack surface.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_open_by_handle_at,
    libc::SYS_kcmp,
    // Keys are not kept apart by namespaces.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine as a whole.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_nfsservctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    libc::SYS_syslog,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
];

/// `open_tree_attr`, which the `libc` crate does not name yet; one number on every architecture.
const OPEN_TREE_ATTR: libc::c_long = 467;

/// Socket families that a job may use; `AF_VSOCK` reaches the hypervisor past every namespace.
const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Netlink protocols that a job may use: routes and socket diagnosis.
const NETLINK_PROTOCOLS: &[i32] = &[libc::NETLINK_ROUTE, libc::NETLINK_SOCK_DIAG];

/// Flags of `clone` that make a namespace.
const NAMESPACE_FLAGS: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Terminal requests that type into another session's terminal.
const DENIED_IOCTLS: &[u64] = &[libc::TIOCSTI, 0x541C];

/// The filter could not be made or installed.
#[derive(Debug, thiserror::Error)]
#[error("the seccomp filter cannot be installed: {0}")]
pub struct SeccompError(String);

fn fail(e: impl std::fmt::Display) -> SeccompError {
    SeccompError(e.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn condition(arg: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, SeccompError> {
    SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, value).map_err(fail)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, SeccompError> {
    SeccompRule::new(conditions).map_err(fail)
}

/// A rule that matches when the argument is none of `allowed`.
fn none_of(
    mut first: Vec<SeccompCondition>,
    arg: u8,
    allowed: &[i32],
) -> Result<SeccompRule, SeccompError> {
    for value in allowed {
        first.push(condition(arg, SeccompCmpOp::Ne, u64::from(value.unsigned_abs()))?);
    }
    rule(first)
}

fn forbidden() -> Result<Rules, SeccompError> {
    let mut rules: Rules = DENIED.iter().map(|nr| (*nr, Vec::new())).collect();
    let mut clone = Vec::new();
    for flag in NAMESPACE_FLAGS {
        let bit = u64::from(flag.cast_unsigned());
        clone.push(rule(vec![condition(0, SeccompCmpOp::MaskedEq(bit), bit)?])?);
    }
    rules.insert(libc::SYS_clone, clone);
    let mut ioctl = Vec::new();
    for request in DENIED_IOCTLS {
        ioctl.push(rule(vec![condition(1, SeccompCmpOp::Eq, *request)?])?);
    }
    rules.insert(libc::SYS_ioctl, ioctl);
    Ok(rules)
}

fn sockets() -> Result<Rules, SeccompError> {
    let netlink = condition(0, SeccompCmpOp::Eq, u64::from(libc::AF_NETLINK.unsigned_abs()))?;
    let socket =
        vec![none_of(Vec::new(), 0, FAMILIES)?, none_of(vec![netlink], 2, NETLINK_PROTOCOLS)?];
    let pair = vec![none_of(Vec::new(), 0, &[libc::AF_UNIX])?];
    Ok(BTreeMap::from([(libc::SYS_socket, socket), (libc::SYS_socketpair, pair)]))
}

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, SeccompError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(fail)?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .and_then(TryInto::try_into)
        .map_err(fail)
}

/// Refuses calls above the last one known, which covers the second call table of x86 (bit 30) too.
fn unknown_calls() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    vec![
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_GREATER, jt: 1, jf: 0, k: LAST_KNOWN_CALL },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ALLOW },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ERRNO | libc::ENOSYS.unsigned_abs() },
    ]
}

/// The compiled filters, made before the container so that an error is told outside.
#[derive(Clone)]
pub struct Filters(Vec<BpfProgram>);

impl std::fmt::Debug for Filters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filters({} programs)", self.0.len())
    }
}

impl Filters {
    /// Compiles the filters for this architecture.
    pub fn compile() -> Result<Self, SeccompError> {
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        Ok(Self(vec![
            compile(clone3, libc::ENOSYS)?,
            compile(sockets()?, libc::EAFNOSUPPORT)?,
            unknown_calls(),
            compile(forbidden()?, libc::EPERM)?,
        ]))
    }

    /// Installs them on the calling thread and all that it starts from now on; sets `no_new_privs`.
    pub fn install(&self) -> Result<(), SeccompError> {
        self.0.iter().try_for_each(|program| seccompiler::apply_filter(program).map_err(fail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_fit_the_kernel() {
        let filters = Filters::compile().expect("filters");
        assert!(filters.0.iter().all(|p| p.len() < 4096), "BPF_MAXINSNS");
    }

    #[test]
    fn every_known_denied_call_is_below_the_bound() {
        assert!(DENIED.iter().all(|nr| *nr <= libc::c_long::from(LAST_KNOWN_CALL)));
    }
}
