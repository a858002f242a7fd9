// SPDX-License-Identifier: 0BSD
// Arbitrary bytes as users/cdb: never a crash or a read past the end, and what is found is whole.
// The same bytes as a record.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/file.h"
#include "core/text.h"
#include "rcpt/users_cdb.h"

namespace {

using namespace qv;

void require(bool condition) {
  if (!condition) abort();
}

void check_record(const rcpt::UserRecord& record) {
  if (record.broken_at != 0) {
    require(record.broken_at >= 3 && record.broken_at <= 7);
    return;
  }
  require(starts_with(record.home.view(), "/"));
  require(record.uid != 0xffffffffu && record.gid != 0xffffffffu);
  for (const std::string_view field :
       {record.user.view(), record.home.view(), record.dash.view(), record.ext.view()}) {
    require(find_byte(field, '\0') == field.size());
  }
}

void try_as_record(std::string_view bytes) {
  rcpt::UserRecord record;
  rcpt::parse_user_record(bytes, record);
  check_record(record);
}

void try_as_table(std::string_view bytes) {
  const Fd file(memfd_create("users", MFD_CLOEXEC));
  require(file.valid() && write_all(file.get(), bytes).ok());
  rcpt::UsersCdb table("/proc/self/fd/" + std::to_string(file.get()));
  std::vector<control::Problem> problems;
  static_cast<void>(table.refresh(0, problems));
  for (const char* local : {"joe", "joe-x", "-", "", "a-b-c-d"}) {
    rcpt::UserRecord record;
    const Result<maps::Answer> answer = table.find(local, record);
    if (!answer.ok() || answer.value() == maps::Answer::absent) continue;
    check_record(record);
    require(std::string(record.matched) + std::string(record.rest) == local);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_as_record(bytes);
  try_as_table(bytes);
  return 0;
}
