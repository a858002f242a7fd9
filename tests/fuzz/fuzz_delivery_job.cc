// SPDX-License-Identifier: 0BSD
// What the processes of a delivery send each other: a front that was taken over may send anything.
// What is read must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "deliver/job.h"
#include "deliver/writer.h"

namespace {

void check_job(std::string_view bytes) {
  const std::optional<qv::deliver::Job> job = qv::deliver::decode_job(bytes);
  if (!job) return;
  const std::string written = qv::deliver::encode_job(*job);
  const std::optional<qv::deliver::Job> again = qv::deliver::decode_job(written);
  if (!again || qv::deliver::encode_job(*again) != written) abort();
  if (again->mailbox.uid != job->mailbox.uid || again->mailbox.path != job->mailbox.path) abort();
}

void check_outcome(std::string_view bytes) {
  const std::optional<qv::deliver::Outcome> outcome = qv::deliver::decode_outcome(bytes);
  if (!outcome) return;
  const std::optional<qv::deliver::Outcome> again =
      qv::deliver::decode_outcome(qv::deliver::encode_outcome(*outcome));
  if (!again || again->delivery != outcome->delivery || again->text != outcome->text) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_job(bytes);
  check_outcome(bytes);
  const std::optional<qv::deliver::FoundMailbox> found = qv::deliver::decode_found(bytes);
  if (!found) return 0;
  const std::string written = qv::deliver::encode_found(*found);
  const std::optional<qv::deliver::FoundMailbox> again = qv::deliver::decode_found(written);
  if (!again || qv::deliver::encode_found(*again) != written) abort();
  return 0;
}
