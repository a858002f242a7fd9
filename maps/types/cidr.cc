// SPDX-License-Identifier: 0BSD
// cidr:/path - networks in CIDR notation, as cidr_table(5): `192.168.0.0/16 result`, `2001:db8::/32
// result`; an address without a length is itself alone.
//
// A network with bits set behind its length is a configuration error, as in Postfix.  A key that is
// not an IP address matches nothing.  Manual: qmail-map-patterns(5).
#include <arpa/inet.h>
#include <string.h>

#include "core/text.h"
#include "maps/types/pattern_table.h"

namespace qv::maps {

namespace {

struct Address {
  std::array<unsigned char, 16> bytes{};
  unsigned bits = 0;  // 32 or 128
};

bool parse_address(std::string_view text, Address& out) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return false;
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (!text.empty()) memcpy(buffer.data(), text.data(), text.size());
  const bool v6 = text.find(':') != std::string_view::npos;
  out.bits = v6 ? 128 : 32;
  return inet_pton(v6 ? AF_INET6 : AF_INET, buffer.data(), out.bytes.data()) == 1;
}

// Whether all bits in front of bit `length` are equal.
bool has_prefix(const Address& a, const Address& b, unsigned length) {
  const unsigned whole = length / 8;
  if (memcmp(a.bytes.data(), b.bytes.data(), whole) != 0) return false;
  return length % 8 == 0 || (a.bytes[whole] ^ b.bytes[whole]) >> (8 - length % 8) == 0;
}

class Network final : public Pattern {
 public:
  Network(const Address& base, unsigned length) : base_(base), length_(length) {}

  Result<Answer> match(std::string_view key, Groups& /*matched*/) override {
    Address address;
    const bool matches = parse_address(key, address) && address.bits == base_.bits &&
                         has_prefix(address, base_, length_);
    return matches ? Answer::found : Answer::absent;
  }

 private:
  Address base_;
  unsigned length_;
};

// Whether a bit is set behind the first `length`.
bool has_host_bits(const Address& address, unsigned length) {
  for (unsigned bit = length; bit < address.bits; ++bit) {
    if ((address.bytes[bit / 8] & 0x80u >> bit % 8) != 0) return true;
  }
  return false;
}

std::unique_ptr<Pattern> compile(std::string_view& rest, std::string& wrong) {
  const std::string_view word = first_bytes(rest, rest.find_first_of(" \t\r"));
  rest = after_bytes(rest, word.size());
  std::string_view length_text = word;
  std::string_view address_text = take_until(length_text, '/');
  if (address_text.size() > 2 && address_text.front() == '[' && address_text.back() == ']') {
    address_text = address_text.substr(1, address_text.size() - 2);
  }
  Address base;
  std::uint64_t length = 0;
  if (!parse_address(address_text, base)) {
    wrong = " is not a network";
  } else if (word.find('/') == word.npos) {
    return std::make_unique<Network>(base, base.bits);
  } else if (!parse_decimal(length_text, base.bits, length)) {
    wrong = ": the length must be 0 to " + std::to_string(base.bits);
  } else if (has_host_bits(base, static_cast<unsigned>(length))) {
    wrong = ": bits are set behind the network's length";
  } else {
    return std::make_unique<Network>(base, static_cast<unsigned>(length));
  }
  wrong = "\"" + std::string(word) + "\"" + wrong;
  return nullptr;
}

}  // namespace

extern const MapType map_type_cidr{"cidr",
                                   {.pattern = true},
                                   "/path: IP networks in CIDR notation",
                                   open_patterns<compile, false>};

}  // namespace qv::maps
