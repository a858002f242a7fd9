// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("cidr", "t", "t") {
    known_key = "192.0.2.77";
    absent_key = "198.51.100.1";
    scratch.write("t", "192.0.2.0/24 box/\n2001:db8::/32 six\n");
    damages.push_back({"a syntax error", [this] { scratch.write("t", "192.0.2.0/33 box/\n"); }});
  }
};

const RegisterContract registered("cidr", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
