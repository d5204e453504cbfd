// The forms that strings of the resources must have. Each is the same language as the `pattern` of that field in
// crds/; a test compares the two.
#pragma once

#include <string_view>

namespace meshauth::model {

/// How one kind of string must look: its length in characters (Unicode code points, as the API server counts), its
/// form, and what to tell who wrote another.
struct Form {
  std::size_t least = 1;
  std::size_t most = 256;
  bool (*valid)(std::string_view) = nullptr;  ///< null: any text
  std::string_view remedy;                    ///< "write a DNS label: lower-case letters, digits and hyphens"
};

extern const Form kDnsLabel;       ///< RFC 1123, at most 63
extern const Form kDnsSubdomain;   ///< labels with dots, at most 253
extern const Form kText;           ///< anything, 1 to 256
extern const Form kNoStar;         ///< compared exactly, so a * in it is a mistake
extern const Form kSubject;        ///< at most one *
extern const Form kScope;          ///< scope-token of RFC 6749 section 3.3
extern const Form kMethod;         ///< upper-case letters and hyphens, at most 32
extern const Form kPathPattern;    ///< see core/policy/pattern.h
extern const Form kHostPattern;    ///< exact, *.example.com, or an IPv6 address in brackets
extern const Form kVariable;       ///< name of a path variable
extern const Form kHeaderName;     ///< letters, digits and hyphens: nginx drops others
extern const Form kToken;          ///< RFC 9110 section 5.6.2, at most 64
extern const Form kForwardHeader;  ///< letters, digits, single hyphens inside
extern const Form kCidr;           ///< a network
extern const Form kIssuer;         ///< an https URL without query and fragment; one {tenantid} in its path
extern const Form kIssuerAlias;    ///< printable ASCII without blanks and braces
extern const Form kUrl;            ///< an https URL without user and fragment, at most 1024
extern const Form kAudience;       ///< no control characters
extern const Form kTokenType;      ///< a media type, or its subtype alone
extern const Form kLabelKey;       ///< a label's key
extern const Form kLabelValue;     ///< a label's value, may be empty
extern const Form kInlineJwks;     ///< a JSON object of public keys
extern const Form kCaBundle;       ///< PEM certificates
extern const Form kDuration;       ///< 30s, 5m, 1h30m

/// How many Unicode code points the (valid) UTF-8 text has.
std::size_t code_points(std::string_view text) noexcept;

/// Does the text have the form, its length included?
bool fits(const Form& form, std::string_view text);

}  // namespace meshauth::model
