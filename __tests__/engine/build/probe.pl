# What a hostile task would try, without doing harm where it works: every attempt is made so that it fails by its
# arguments once it got past permission. Prints one line per check, "safe NAME", "LEAK NAME: DETAIL" or "skip NAME: WHY".
# Perl, because perl-base is in every Debian root. Environment: PROBE_* as sandbox tests set them.
use strict;
use warnings;
use Errno qw(EPERM ENOSYS EACCES EROFS ENOENT EAFNOSUPPORT ENOSPC);
use Fcntl qw(O_WRONLY O_RDONLY);
use POSIX ();
use Socket;

$| = 1;
my %ask = map { $_ => $ENV{"PROBE_$_"} // '' } qw(IDENTITY CANARY PIDS TCP UDP ABSTRACT UNIX SECRET READONLY WRITABLE BINARIES);
my $user = $ask{IDENTITY} eq 'user';
my $x86 = (POSIX::uname())[4] eq 'x86_64';

sub safe { print "safe $_[0]\n" }
sub leak { my ($name, $detail) = @_; $detail =~ s/\s+/ /g; print "LEAK $name: ", substr($detail, 0, 200), "\n" }
sub skip { print "skip $_[0]: $_[1]\n" }
sub check { my ($name, $leaks) = @_; my $detail = eval { $leaks->() }; defined $detail ? leak($name, $detail) : safe($name) }

# --- F1: files
sub readable { my ($path) = @_; return sysopen(my $f, $path, O_RDONLY) ? "$path can be read" : undef }
sub writable { my ($path) = @_; return sysopen(my $f, $path, O_WRONLY) ? "$path can be written" : undef }
sub makes { my ($dir) = @_; my $made = "$dir/.yoe-probe-$$"; return undef unless mkdir $made; rmdir $made; return "$dir can be written" }
sub entries { my ($dir) = @_; opendir(my $d, $dir) or return (); return grep { !/^\.\.?$/ } readdir $d }

check 'F1 file of the project' => sub { readable($ask{CANARY}) };
check 'F1 project through /proc/1/root' => sub { readable("/proc/1/root$ask{CANARY}") };
check 'F1 project through /proc/1/cwd' => sub { readable("/proc/1/cwd/../../../../../../..$ask{CANARY}") };
check 'F1 homes' => sub { my @e = map { my $d = $_; map { "$d/$_" } entries($d) } qw(/root /home); @e ? "@e" : undef };
check 'F1 variable data' => sub { my @e = grep { $_ ne 'tmp' } entries('/var/lib'); @e ? "/var/lib: @e" : undef };
check 'F1 password hashes' => sub { readable('/etc/shadow') };
check 'F1 write /usr' => sub { makes('/usr') };
check 'F1 write /etc' => sub { makes('/etc') // writable('/etc/passwd') };
check 'F1 write /' => sub { makes('/') };
check 'F1 write a read-only mount' => sub { makes($ask{READONLY}) // writable("$ask{READONLY}/file") };
check 'F1 chmod in a read-only mount' => sub { chmod(0600, "$ask{READONLY}/file") ? 'chmod worked' : undef };
check 'F1 remove from a read-only mount' => sub { rename("$ask{READONLY}/file", "$ask{READONLY}/file2") ? do { rename("$ask{READONLY}/file2", "$ask{READONLY}/file"); 'rename worked' } : undef };

# --- F2: environment, descriptors, processes
check 'F2 secret in the environment' => sub { (grep { /\Q$ask{SECRET}\E/ } map { $ENV{$_} } grep { !/^PROBE_/ } keys %ENV) ? 'it is there' : undef };
check 'F2 secret in /proc' => sub {
  for my $pid (grep { /^\d+$/ && $_ != $$ } entries('/proc')) {
    open(my $f, '<', "/proc/$pid/environ") or next;
    my $all = do { local $/; <$f> } // '';
    return "process $pid" if $all =~ /YOE_TEST_SECRET/;
  }
  return undef;
};
check 'F2 open descriptors' => sub {
  opendir(my $d, '/proc/self/fd') or return 'cannot list';
  my @open = grep { /^\d+$/ && $_ > 2 && $_ != fileno($d) } readdir $d;
  # Perl itself holds the script open.
  @open = grep { (readlink("/proc/self/fd/$_") // '') !~ m{/probe\.pl$} } @open;
  return @open ? join(' ', map { "$_=" . (readlink("/proc/self/fd/$_") // '?') } @open) : undef;
};
check 'F2 descriptors of the first process' => sub {
  my @files = grep { m{^/} && !m{^/dev/null$|\(deleted\)$} } map { readlink("/proc/1/fd/$_") // '' } entries('/proc/1/fd');
  return @files ? "@files" : undef;
};
sub host_process { my ($pid) = @_; open(my $f, '<', "/proc/$pid/cmdline") or return 0; local $/; return (<$f> // '') =~ /node/ }
check 'F2 processes of the host' => sub { for (split / /, $ask{PIDS}) { return "process $_" if host_process($_) } return undef };
check 'F2 signals to the host' => sub { for (split / /, $ask{PIDS}) { return "process $_" if kill(0, $_) && host_process($_) } return undef };

# --- F3: network
sub tcp { my ($host, $port) = @_; socket(my $s, PF_INET, SOCK_STREAM, 0) or return undef; local $SIG{ALRM} = sub { die }; alarm 2; my $ok = eval { connect($s, sockaddr_in($port, inet_aton($host))) }; alarm 0; return $ok ? "connected to $host:$port" : undef }
sub unix { my ($path) = @_; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or return undef; return connect($s, pack('S a*', AF_UNIX, $path)) ? "connected" : undef }
check 'F3 TCP to the host' => sub { tcp('127.0.0.1', $ask{TCP}) };
check 'F3 UDP to the host' => sub { socket(my $s, PF_INET, SOCK_DGRAM, 0) or return undef; connect($s, sockaddr_in($ask{UDP}, inet_aton('127.0.0.1'))) or return undef; send($s, 'x', 0); select(undef, undef, undef, 0.1); return send($s, 'x', 0) ? 'it was delivered' : undef };
check 'F3 abstract socket' => sub { unix("\0$ask{ABSTRACT}") };
check 'F3 socket of the host' => sub { unix($ask{UNIX}) // unix('/var/run/docker.sock') // unix('/run/docker.sock') };
check 'F3 interfaces' => sub { open(my $f, '<', '/proc/net/dev') or return undef; my @i = grep { $_ ne 'lo' } map { /^\s*(\S+):/ ? $1 : () } <$f>; return @i ? "@i" : undef };
check 'F3 link-local address' => sub { open(my $f, '<', '/proc/net/route') or return undef; my @r = <$f>; return @r > 1 ? 'there is a route' : undef };
check 'F3 packet socket' => sub { socket(my $s, 17, SOCK_RAW, 0) ? 'opened' : undef };
check 'F3 vsock' => sub { socket(my $s, 40, SOCK_STREAM, 0) ? 'opened' : undef };
if ($user) { check 'F3 raw socket' => sub { socket(my $s, PF_INET, SOCK_RAW, 1) ? 'opened' : undef } }

# --- F4: the kernel's settings and devices
check 'F4 core_pattern' => sub { writable('/proc/sys/kernel/core_pattern') };
check 'F4 other settings' => sub { for (qw(kernel/modprobe kernel/panic vm/drop_caches vm/overcommit_memory fs/protected_hardlinks kernel/randomize_va_space)) { my $l = writable("/proc/sys/$_"); return $l if $l } return undef };
check 'F4 sysrq-trigger' => sub { writable('/proc/sysrq-trigger') };
check 'F4 interrupts' => sub { writable('/proc/irq/default_smp_affinity') };
check 'F4 /sys' => sub { my @e = entries('/sys'); @e ? "/sys: @e" : undef };
check 'F4 kernel memory' => sub { for (qw(/proc/kcore /dev/mem /dev/kmsg /dev/port)) { my $l = readable($_); return $l if $l } return undef };
check 'F4 devices' => sub { my %ok = map { $_ => 1 } qw(null zero full random urandom tty shm pts ptmx fd stdin stdout stderr core console mqueue); my @e = grep { !$ok{$_} } entries('/dev'); @e ? "@e" : undef };

# --- F5: system calls. [x86_64, generic, arguments that fail once permitted]
my $none = 2**31 - 1;
my %calls = (
  'mount' => [165, 40, "none\0", "/nonexistent\0", "tmpfs\0", 0, 0],
  'umount' => [166, 39, "/nonexistent\0", 0],
  'setns' => [308, 268, $none, 0],
  'ptrace' => [101, 117, 16, $none, 0, 0],
  'keyctl' => [250, 219, 0, -3, 0, 0, 0],
  'add_key' => [248, 217, "nosuchtype\0", "x\0", "x", 1, -3],
  'request_key' => [249, 218, "nosuchtype\0", "x\0", 0, 0],
  'bpf' => [321, 280, 9999, 0, 0],
  'perf_event_open' => [298, 241, 0, -1, -1, -1, 0],
  'io_uring_setup' => [425, 425, 0, 0],
  'userfaultfd' => [323, 282, 0xffff],
  'clock_settime' => [227, 112, 0, pack('q q', 0, -1)],
  'clone3' => [435, 435, 0, 0],
  'init_module' => [175, 105, 0, 0, "\0"],
  'kexec_load' => [246, 104, 0, 99, 0, 0xffff],
  'fsopen' => [430, 430, "nosuchfs\0", 0],
  'open_by_handle_at' => [304, 265, -1, pack('L l', 0, 0), 0],
  'pidfd_getfd' => [438, 438, -1, 0, 0],
  'syslog' => [103, 116, 3, 0, 0],
);
my %installing = map { $_ => 1 } qw(mount umount fsopen);
for my $name (sort keys %calls) {
  next if !$user && $installing{$name};
  my ($here, $generic, @arguments) = @{ $calls{$name} };
  check "F5 $name" => sub {
    $! = 0;
    my $r = syscall($x86 ? $here : $generic, @arguments);
    my $errno = $! + 0;
    return $r == -1 && ($errno == EPERM || $errno == ENOSYS || $errno == EACCES) ? undef : "it answered $r, $!";
  };
}
sub in_child { my ($work) = @_; my $pid = fork() // return 'cannot fork'; if (!$pid) { POSIX::_exit($work->() ? 1 : 0) } waitpid($pid, 0); return $? == 0 ? undef : "it worked ($?)" }
check 'F5 unshare a user namespace' => sub { in_child(sub { syscall($x86 ? 272 : 97, 0x10000000) == 0 }) };
check 'F5 clone a user namespace' => sub { $! = 0; my $pid = syscall($x86 ? 56 : 220, 0x10000000 | 17, 0, 0, 0, 0); POSIX::_exit(0) if $pid == 0; waitpid($pid, 0) if $pid > 0; return $pid > 0 ? 'it worked' : undef };
for (['TIOCSTI', 0x5412], ['TIOCLINUX', 0x541c], ['TIOCSTI, high bits set', 0x5412 | 1 << 32]) {
  my ($name, $request) = @$_;
  check "F5 $name" => sub { my $byte = "x"; $! = 0; my $r = syscall($x86 ? 16 : 29, 0, $request, $byte); return $r == -1 && $! == EPERM ? undef : "it answered $r, $!" };
}
for my $name (split / /, $ask{BINARIES}) {
  check "F5 $name entry" => sub { my $status = system("$ask{READONLY}/$name"); return $status == 0 ? 'a system call was answered' : undef };
}

# --- F8, F12: ownership
my $mine = "$ask{WRITABLE}/owned-$$";
open(my $file, '>', $mine) or print "LEAK cannot write $mine: $!\n";
close $file if $file;
check 'F12 chown to root' => sub { chown(0, 0, $mine) ? undef : "chown failed: $!" };
check 'F8 device node' => sub { my $r = system("mknod $ask{WRITABLE}/device-$$ c 1 1 2>/dev/null"); unlink "$ask{WRITABLE}/device-$$"; return $r == 0 ? 'made' : undef };
if ($user) { check 'F8 chown to another' => sub { chown(1, 1, $mine) ? 'it worked' : undef } }
else { check 'F12 chown to another' => sub { chown(1, 1, $mine) ? undef : "chown failed: $!" } }
check 'F12 id' => sub { $< == 0 && $> == 0 ? undef : "uid $<" };

# --- what holds all of that
sub status { my ($field) = @_; open(my $f, '<', '/proc/self/status') or return ''; for (<$f>) { return $1 if /^$field:\s*(\S+)/ } return '' }
if ($user) { check 'capabilities' => sub { my $all = join ' ', map { status($_) } qw(CapInh CapPrm CapEff CapBnd CapAmb); $all =~ /[1-9a-f]/ ? $all : undef } }
check 'no new privileges' => sub { status('NoNewPrivs') eq '1' ? undef : 'unset' };
check 'filter' => sub { status('Seccomp') eq '2' ? undef : 'none' };
check 'host name' => sub { (POSIX::uname())[1] eq 'yoe' ? undef : (POSIX::uname())[1] };
check 'System V memory of the host' => sub { my $id = syscall($x86 ? 29 : 194, 0x796f65, 0, 0); $id >= 0 ? "segment $id" : undef };
check 'priority' => sub { my $r = syscall($x86 ? 141 : 140, 0, 0, -20); my $p = getpriority(0, 0); $p < 0 ? "raised to $p" : undef };
check 'core dumps' => sub { open(my $f, '<', '/proc/self/limits') or return undef; for (<$f>) { return undef if /^Max core file size\s+0\s+0/ } 'allowed' };
