#include "core/jose/edwards.h"

#include <new>
#include <string>

#include "core/jose/ossl.h"

namespace meshauth::jose {
namespace {

using Number = Ossl<BIGNUM>;

/// Arithmetic modulo a prime. Nothing here is secret, and nothing in a hurry.
class Field {
 public:
  explicit Field(Number prime) : prime_(std::move(prime)), context_(BN_CTX_new()) { need(prime_ && context_); }

  const BIGNUM* prime() const { return prime_.get(); }
  BN_CTX* context() const { return context_.get(); }

  Number of(long value) const {
    auto out = number();
    need(BN_set_word(out.get(), static_cast<BN_ULONG>(value < 0 ? -value : value)) == 1);
    if (value < 0) need(BN_sub(out.get(), prime(), out.get()) == 1);
    return out;
  }
  Number minus(const Number& a, const Number& b) const {
    auto out = number();
    need(BN_mod_sub(out.get(), a.get(), b.get(), prime(), context()) == 1);
    return out;
  }
  Number times(const Number& a, const Number& b) const {
    auto out = number();
    need(BN_mod_mul(out.get(), a.get(), b.get(), prime(), context()) == 1);
    return out;
  }
  /// b is not 0.
  Number over(const Number& a, const Number& b) const {
    auto inverse = number();
    need(BN_mod_inverse(inverse.get(), b.get(), prime(), context()) != nullptr);
    return times(a, inverse);
  }
  bool is_square(const Number& a) const {
    const int symbol = BN_kronecker(a.get(), prime(), context());
    need(symbol >= -1);
    return symbol >= 0;
  }

 private:
  static void need(bool made) {
    if (!made) throw std::bad_alloc();
  }
  static Number number() {
    Number out(BN_new());
    need(out != nullptr);
    return out;
  }

  Number prime_;
  Ossl<BN_CTX> context_;
};

/// a x^2 + y^2 = 1 + d x^2 y^2, where a is a square and d is none, so that no denominator below is 0. x itself is never
/// needed: its square follows from y, and so does the y of a point's double.
struct Edwards {
  Field field;
  Number one, a, d;
  int doublings;  ///< 2^doublings is the cofactor

  Number x_squared(const Number& y) const {
    const Number y_squared = field.times(y, y);
    return field.over(field.minus(one, y_squared), field.minus(a, field.times(d, y_squared)));
  }

  Number y_of_double(const Number& y) const {
    const Number xx = x_squared(y), yy = field.times(y, y);
    return field.over(field.minus(yy, field.times(a, xx)), field.minus(one, field.times(d, field.times(xx, yy))));
  }

  /// The sign of x is not looked at: where it matters, at x = 0, the order is small.
  Point judge(Number y) const {
    if (BN_cmp(y.get(), field.prime()) >= 0 || !field.is_square(x_squared(y))) return Point::OffCurve;
    for (int i = 0; i < doublings; ++i) y = y_of_double(y);
    return BN_is_one(y.get()) ? Point::SmallOrder : Point::Good;
  }
};

Number from_hex(const char* digits) {
  BIGNUM* out = nullptr;
  if (BN_hex2bn(&out, digits) == 0) throw std::bad_alloc();
  return Number(out);
}

/// Little-endian; the highest bit is the sign of x and no part of y.
Number y_of(std::string_view encoded) {
  std::string bytes(encoded);
  bytes.back() = static_cast<char>(bytes.back() & 0x7f);
  Number y(BN_lebin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
  if (!y) throw std::bad_alloc();
  return y;
}

/// RFC 8032 section 5.1
Edwards ed25519() {
  Field field(from_hex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"));
  Number one = field.of(1), a = field.of(-1), d = field.over(field.of(-121665), field.of(121666));
  return {std::move(field), std::move(one), std::move(a), std::move(d), 3};
}

/// RFC 8032 section 5.2
Edwards ed448() {
  Field field(
      from_hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
               "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"));
  Number one = field.of(1), a = field.of(1), d = field.of(-39081);
  return {std::move(field), std::move(one), std::move(a), std::move(d), 2};
}

}  // namespace

Point judge_ed25519(std::string_view encoded) {
  return ed25519().judge(y_of(encoded));
}

Point judge_ed448(std::string_view encoded) {
  return ed448().judge(y_of(encoded));
}

}  // namespace meshauth::jose
