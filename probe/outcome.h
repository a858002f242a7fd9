// SPDX-License-Identifier: 0BSD
// probe/outcome.h - what asking a next hop about one recipient has come to.
#ifndef QV_PROBE_OUTCOME_H_
#define QV_PROBE_OUTCOME_H_

#include <cstdint>
#include <string>

#include "cache/record.h"

namespace qv {

// What the outcome is about.  Only `recipient` says anything about the address; of the others
// those that speak about the host are remembered against it.
enum class ProbeReason : std::uint8_t {
  recipient,       // the reply to RCPT
  not_askable,     // no SMTP command can carry the address, or not to this host
  sender_refused,  // the host does not take our sender: remembered per host
  host_refused,    // greeting, HELO or MAIL got a refusal that is not about the sender
  unreachable,     // no connection
  timed_out,       // the time limit of a step or of the whole
  tls_failed,      // the handshake failed
  broken,          // the connection ended, or the host talks nonsense
  backing_off,     // the host has failed lately and is left alone
  busy,            // a limit of ours: pending probes, rate of the domain
  no_route,        // no next hop could be found for the domain
};

struct ProbeOutcome {
  RecipientStatus status = RecipientStatus::defer;  // never todo
  ProbeReason reason = ProbeReason::broken;
  std::string text;  // printable: what the host said or what happened

  friend bool operator==(const ProbeOutcome&, const ProbeOutcome&) = default;
};

}  // namespace qv

#endif  // QV_PROBE_OUTCOME_H_
