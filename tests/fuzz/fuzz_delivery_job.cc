// SPDX-License-Identifier: 0BSD
// What the processes of a delivery send each other: a front that was taken over may send anything.
// What is read must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "deliver/job.h"
#include "deliver/packets.h"

namespace {

void check_job(std::string_view bytes) {
  const std::optional<qv::Job> job = qv::decode_job(bytes);
  if (!job) return;
  const std::string written = qv::encode_job(*job);
  const std::optional<qv::Job> again = qv::decode_job(written);
  if (!again || qv::encode_job(*again) != written) abort();
  if (again->mailbox.uid != job->mailbox.uid || again->mailbox.path != job->mailbox.path) abort();
}

void check_outcome(std::string_view bytes) {
  const std::optional<qv::Outcome> outcome = qv::decode_outcome(bytes);
  if (!outcome) return;
  const std::optional<qv::Outcome> again = qv::decode_outcome(qv::encode_outcome(*outcome));
  if (!again || again->delivery != outcome->delivery || again->text != outcome->text) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_job(bytes);
  check_outcome(bytes);
  std::string_view first;
  std::string_view second;
  if (!qv::split_two(bytes, first, second)) return 0;
  if (first.size() + second.size() >= size) abort();
  check_outcome(first);
  check_job(second);
  const std::string joined = qv::join_two(first, second);
  std::string_view first_again;
  std::string_view second_again;
  if (!qv::split_two(joined, first_again, second_again)) abort();
  if (first_again != first || second_again != second) abort();
  return 0;
}
