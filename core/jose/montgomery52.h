// Products modulo a number of 2048 bits, by the vectors of processors that have AVX-512 IFMA.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace meshauth::jose {

/// Montgomery's product (P. Montgomery, "Modular Multiplication Without Trial Division", 1985) with digits of 52 bits,
/// as S. Gueron and V. Krasnov lay it out for vectors ("Accelerating Big Integer Arithmetic Using Intel IFMA
/// Extensions", 2016). For public numbers: the time depends on the processor alone, but nothing here relies on that.
class Montgomery52 {
 public:
  static constexpr std::size_t kBytes = 256;       ///< of a modulus
  static constexpr std::size_t kDigits = 40;       ///< of 52 bits
  static constexpr unsigned kBits = 52 * kDigits;  ///< R is 2^kBits

  /// Least digit first, each below 2^52.
  struct Number {
    std::array<std::uint64_t, kDigits> digits{};
  };

  /// Can this processor, and does the system let it?
  static bool supported() noexcept;

  /// modulus: odd, of 2048 bits: kBytes bytes, the greatest first, the first one at least 128.
  explicit Montgomery52(std::string_view modulus) noexcept;

  /// At most kBytes bytes, the greatest first.
  static Number read(std::string_view bytes) noexcept;
  /// kBytes + 4 bytes, the least first.
  static std::array<unsigned char, kBits / 8> write(const Number& number) noexcept;

  /// a * b / R modulo the modulus: below twice the modulus, where a and b are.
  Number times(const Number& a, const Number& b) const noexcept;

 private:
  Number modulus_;
  std::uint64_t inverse_;  ///< -1/modulus modulo 2^64
};

}  // namespace meshauth::jose
