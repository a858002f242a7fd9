// SPDX-License-Identifier: 0BSD
//@ needs: ldap lber
// ldap:/path/to/file.cf - a search in an LDAP directory.
//
// Parameters: server_host (names or ldap URLs), server_port, search_base, query_filter,
// result_attribute, scope, bind, bind_dn, bind_pw, version, start_tls, tls_ca_cert_file,
// tls_require_cert, dereference, size_limit, timeout, and result_format, expansion_limit, domain.
// The parts of a key are escaped, in the filter as RFC 4515 says, in search_base as RFC 4514.
// Manual: qmail-map-ldap(5).
#include <ldap.h>

#include <algorithm>

#include "core/text.h"
#include "maps/registry.h"
#include "maps/types/server_map.h"

namespace qv::maps {

namespace {

void unbind(LDAP* l) { ldap_unbind_ext_s(l, nullptr, nullptr); }

bool is_plain(char c) {
  return is_letter_or_digit(c) || c == '.' || c == '@' || c == '-' || c == '_';
}

// \hh is valid both in a filter and in a DN.
void quote(std::string_view part, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : part) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '\\';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

// The search itself is wrong, or not allowed: the operator's.
constexpr int kConfigErrors[] = {LDAP_FILTER_ERROR,         LDAP_PARAM_ERROR,
                                 LDAP_INVALID_DN_SYNTAX,    LDAP_INVALID_CREDENTIALS,
                                 LDAP_INSUFFICIENT_ACCESS,  LDAP_INAPPROPRIATE_AUTH,
                                 LDAP_STRONG_AUTH_REQUIRED, LDAP_PROTOCOL_ERROR};

Fault fault_of(int code) {
  const bool config = std::find(std::begin(kConfigErrors), std::end(kConfigErrors), code) !=
                      std::end(kConfigErrors);
  return config ? Fault::config : Fault::retry;
}

class LdapMap final : public QueryMap {
 public:
  explicit LdapMap(QueryConfig config) : QueryMap(std::move(config)) {
    const std::uint64_t port = config_.number("server_port", 389, 1, 65535);
    for (const std::string& host : config_.list("server_host", "localhost")) {
      const bool url = host.find("://") != std::string::npos;
      const bool has_port = host.find(':') != std::string::npos;
      hosts_.push_back(url ? host
                           : "ldap://" + host + (has_port ? "" : ":" + std::to_string(port)));
    }
    if (attributes_.empty()) config_.add_problem("result_attribute: no attribute");
    if (!config_.has("search_base")) config_.add_problem("search_base is missing");
  }

 private:
  Result<void> connect(const std::string& host) override {
    LDAP* raw = nullptr;
    int code = ldap_initialize(&raw, host.c_str());
    connection_.reset(code == LDAP_SUCCESS ? raw : nullptr);
    if (code == LDAP_SUCCESS) code = set_options();
    if (code == LDAP_SUCCESS && start_tls_) code = ldap_start_tls_s(raw, nullptr, nullptr);
    // Without a bind the connection is only made at the first search; an anonymous bind makes it
    // now.
    if (code == LDAP_SUCCESS) code = bind();
    if (code == LDAP_SUCCESS) return {};
    return fail({fault_of(code), 0, "connect to LDAP server"}, ldap_err2string(code));
  }
  void disconnect() override { connection_.reset(); }

  Result<void> query(std::string_view key, Results& results) override {
    std::string base;
    std::string filter;
    if (base_.expand(key, key, base, quote) == Answer::absent ||
        filter_.expand(key, key, filter, quote) == Answer::absent) {
      return {};
    }
    LDAPMessage* raw = nullptr;
    const int code = search(base, filter, &raw);
    const std::unique_ptr<LDAPMessage, FreeWith<ldap_msgfree>> found(raw);
    if (code == LDAP_NO_SUCH_OBJECT && base_.has_expansions()) return {};
    if (code == LDAP_SUCCESS) return add_entries(found.get(), results);
    const Fault fault = code == LDAP_NO_SUCH_OBJECT ? Fault::config : fault_of(code);
    const Error error{fault, 0, "LDAP search"};
    // Below zero are the library's own: the connection is in an unknown state.
    const bool broken = code < 0 || code == LDAP_UNAVAILABLE || code == LDAP_BUSY;
    return broken ? lose(error, ldap_err2string(code)) : fail(error, ldap_err2string(code));
  }

  timeval time_limit() const { return {timeout_ms_ / 1000, (timeout_ms_ % 1000) * 1000}; }

  int set_options() {
    const timeval limit = time_limit();
    const int version = static_cast<int>(version_);
    const int dereference = static_cast<int>(dereference_);
    const int require = tls_require_cert_ ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
    const int new_context = 0;
    const struct {
      int option;
      const void* value;
    } options[] = {
        {LDAP_OPT_PROTOCOL_VERSION, &version},
        {LDAP_OPT_NETWORK_TIMEOUT, &limit},
        {LDAP_OPT_TIMEOUT, &limit},
        {LDAP_OPT_DEREF, &dereference},
        // Referrals would be followed anonymously, to anywhere.
        {LDAP_OPT_REFERRALS, LDAP_OPT_OFF},
        {LDAP_OPT_RESTART, LDAP_OPT_ON},
        {LDAP_OPT_X_TLS_REQUIRE_CERT, &require},
        {LDAP_OPT_X_TLS_CACERTFILE,
         tls_ca_cert_file_.empty() ? nullptr : tls_ca_cert_file_.c_str()},
        {LDAP_OPT_X_TLS_NEWCTX, &new_context},
    };
    for (const auto& [option, value] : options) {
      if (option == LDAP_OPT_X_TLS_CACERTFILE && value == nullptr) continue;
      const int code = ldap_set_option(connection_.get(), option, value);
      if (code != LDAP_SUCCESS) return code;
    }
    return LDAP_SUCCESS;
  }

  int bind() {
    std::string password = bind_ ? bind_pw_ : std::string();
    berval credentials{password.size(), password.data()};
    return ldap_sasl_bind_s(connection_.get(), bind_ ? bind_dn_.c_str() : "", LDAP_SASL_SIMPLE,
                            &credentials, nullptr, nullptr, nullptr);
  }

  int search(const std::string& base, const std::string& filter, LDAPMessage** found) {
    std::vector<char*> names;
    for (std::string& name : attributes_) names.push_back(name.data());
    names.push_back(nullptr);
    timeval limit = time_limit();
    return ldap_search_ext_s(connection_.get(), base.c_str(), scope_, filter.c_str(), names.data(),
                             0, nullptr, nullptr, &limit, static_cast<int>(size_limit_), found);
  }

  Result<void> add_entries(LDAPMessage* found, Results& results) {
    LDAP* l = connection_.get();
    for (LDAPMessage* entry = ldap_first_entry(l, found); entry != nullptr;
         entry = ldap_next_entry(l, entry)) {
      // In the order of result_attribute, not of the server.
      for (const std::string& name : attributes_) {
        const std::unique_ptr<berval*, FreeWith<ldap_value_free_len>> values(
            ldap_get_values_len(l, entry, name.c_str()));
        for (berval** v = values.get(); v != nullptr && *v != nullptr; ++v) {
          QV_TRY_VOID(results.add({(*v)->bv_val, (*v)->bv_len}));
        }
      }
    }
    return {};
  }

  int read_scope() {
    const std::string value = config_.text("scope", "sub");
    if (value == "base") return LDAP_SCOPE_BASE;
    if (value == "one") return LDAP_SCOPE_ONELEVEL;
    if (value != "sub") config_.add_problem("scope = " + value + ": write sub, one or base");
    return LDAP_SCOPE_SUBTREE;
  }

  const Template base_ = Template::read(config_, "search_base", "");
  const Template filter_ = Template::read(config_, "query_filter", "(mailacceptinggeneralid=%s)");
  std::vector<std::string> attributes_ = config_.list("result_attribute", "maildrop");
  const int scope_ = read_scope();
  const bool bind_ = config_.yes("bind", true);
  const std::string bind_dn_ = config_.text("bind_dn");
  const std::string bind_pw_ = config_.text("bind_pw");
  const bool start_tls_ = config_.yes("start_tls", false);
  const std::string tls_ca_cert_file_ = config_.text("tls_ca_cert_file");
  const bool tls_require_cert_ = config_.yes("tls_require_cert", false);
  const std::uint64_t dereference_ = config_.number("dereference", 0, 0, 3);
  const std::uint64_t size_limit_ = config_.number("size_limit", 0, 0, 1'000'000);
  const std::uint64_t version_ = config_.number("version", 3, 2, 3);
  const int timeout_ms_ = config_.milliseconds("timeout", 10);
  std::unique_ptr<LDAP, FreeWith<unbind>> connection_;
};

}  // namespace

extern const MapType map_type_ldap{
    "ldap", kLoadableTraits, "/path.cf: a search in an LDAP directory", open_query_map<LdapMap>};

}  // namespace qv::maps
