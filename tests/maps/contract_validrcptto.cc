// SPDX-License-Identifier: 0BSD
#include "tests/maps/cdb_maker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("validrcptto", "t.cdb", "t.cdb") {
    known_value = "1";
    make_cdb(scratch.path("t.cdb"), {{"user@example.org", "1"}});
    for (const off_t size : {0, 2047, 2080}) add_truncation(size);
    add_truncation(0, true);
    add_flip(2057, 0);
  }
  std::string name() const override { return "validrcptto:jms1:" + scratch.path("t.cdb"); }
};

const RegisterContract registered("validrcptto", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
