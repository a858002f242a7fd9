// SPDX-License-Identifier: 0BSD
// bench/make_users.cc - a users/cdb with user0 to user<N-1>, each assigned its own mailbox.
//
//   make_users FILE N
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "core/fd.h"
#include "maps/cdb_writer.h"

namespace {

using qv::Fd;
using qv::maps::CdbWriter;

int fail(const qv::Error& error) {
  fprintf(stderr, "make_users: %s: errno %d\n", error.what, error.errnum);
  return 111;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 100;
  const Fd fd(open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  CdbWriter writer(fd.get());
  const unsigned long count = strtoul(argv[2], nullptr, 10);
  if (auto done = writer.add("", "-"); !done.ok()) return fail(done.error());
  for (unsigned long i = 0; i < count; ++i) {
    const std::string user = "user" + std::to_string(i);
    std::string record = user;
    record += '\0';
    record += "12345";
    record += '\0';
    record += "12345";
    record += '\0';
    record += "/home/" + user;
    record += '\0';
    record += '\0';
    record += '\0';
    const std::string key = "!" + user + std::string(1, '\0');
    if (auto done = writer.add(key, record); !done.ok()) return fail(done.error());
  }
  if (auto done = writer.finish(); !done.ok()) return fail(done.error());
  return 0;
}
