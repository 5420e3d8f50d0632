/** Zig: a release in C that is built by it, and a program of its own with a package beside it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { TestProject } from '../support/project.ts'
import { assertFinished, build, nativeProject, passes, release, sameOffline, unpacked } from './native.ts'

const units = `load("@module-core//classes/zig.star", "zig_binary", "zig_compiler")
zig_binary(
    name = "count", version = "1.0", license = "MIT", source = path("//count"), zig_args = ["-Dgreeting=Moin"],
    tests = [test("counts", run = "count | grep -x 'Moin, 3 words'")],
)
# Its build.zig is for an older Zig.
zig_compiler(
    name = "zig-0.13", version = "0.13.0",
    sha256 = {"x86_64": "3ce0c9f16547e5d61b32e0d226926e9a2552ef4b91fccf7ab5ea1a623a77824b"},
)
zig_binary(
    name = "pcre2", version = "10.46", license = "BSD-3-Clause", zig = "zig-0.13", optimize = "ReleaseSmall", subpackages = ["dev"],
    ${release('https://github.com/PCRE2Project/pcre2/releases/download/pcre2-10.46/pcre2-10.46.tar.gz', 'p/pcre2/pcre2_10.46.orig.tar.gz', '8d28d7f2c3b970c3a4bf3776bcbb5adfc923183ce74bc8df1ebaad8c1985bd07')},
    tests = [test("matches", run = """printf '/(\\\\w+) (\\\\w+)/\\\\n    hello world\\\\n' >in && pcre2test in | grep -x ' 2: world'""")],
)
`

const program = {
  'count/build.zig': `const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const words = b.dependency("words", .{ .target = target, .optimize = optimize });
    const options = b.addOptions();
    options.addOption([]const u8, "greeting", b.option([]const u8, "greeting", "what it says first") orelse "Hello");
    const module = b.createModule(.{ .root_source_file = b.path("src/main.zig"), .target = target, .optimize = optimize });
    module.addImport("words", words.module("words"));
    module.addOptions("options", options);
    b.installArtifact(b.addExecutable(.{ .name = "count", .root_module = module }));
}
`,
  'count/build.zig.zon': `.{
    .name = .count,
    .version = "1.0.0",
    .fingerprint = 0x85d94462e31a1466,
    .dependencies = .{ .words = .{ .path = "words" } },
    .paths = .{""},
}
`,
  'count/src/main.zig': `const std = @import("std");
const options = @import("options");
const report = @import("report.zig");

pub fn main() !void {
    var buffer: [256]u8 = undefined;
    const text = try report.line(&buffer, options.greeting, "one two  three");
    try std.fs.File.stdout().writeAll(text);
}
`,
  'count/src/report.zig': `const std = @import("std");
const words = @import("words");

pub fn line(buffer: []u8, greeting: []const u8, text: []const u8) ![]const u8 {
    return std.fmt.bufPrint(buffer, "{s}, {d} words\\n", .{ greeting, words.count(text) });
}
`,
  'count/words/build.zig': `const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    _ = b.addModule("words", .{ .root_source_file = b.path("src/root.zig"), .target = target, .optimize = optimize });
}
`,
  'count/words/build.zig.zon':
    '.{ .name = .words, .version = "1.0.0", .fingerprint = 0x717d1e8c174e5997, .paths = .{""} }\n',
  'count/words/src/root.zig': `const std = @import("std");

pub fn count(text: []const u8) usize {
    var found: usize = 0;
    var parts = std.mem.tokenizeScalar(u8, text, ' ');
    while (parts.next()) |_| found += 1;
    return found;
}
`,
}

let project: TestProject

before((t) => {
  assert.ok('after' in t)
  project = nativeProject(t, { 'units/zig.star': units, ...program })
})

test('a program of several files and a package', async (t) => {
  const debs = await build(project, 'count')
  assertFinished(join(unpacked(t, debs.get('count')).root, 'usr/bin/count'))
  await passes(project, 'count')
})

test('built anew without network, it is the same', () => sameOffline(project, 'count'))

test('PCRE2 by its own build.zig, for which another Zig is pinned', async (t) => {
  const debs = await build(project, 'pcre2')
  const { root } = unpacked(t, debs.get('pcre2'))
  for (const file of ['usr/bin/pcre2test', 'usr/lib/libpcre2-8.so']) assertFinished(join(root, file))
  await passes(project, 'pcre2')
})
