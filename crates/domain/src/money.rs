//! Amounts of money: whole minor units of one currency.

use std::{fmt, str::FromStr};

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The text is no currency code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use an ISO 4217 code in capital letters, such as EUR")]
pub struct InvalidCurrency;

/// The active codes of ISO 4217 that a theater can charge in, with their minor digits where these are not two.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL \
HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK \
MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR \
SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF \
XCD XOF XPF YER ZAR ZMW ZWG";

impl Currency {
    /// How many digits stand behind the point: 2 for EUR, 0 for JPY, 3 for KWD (ISO 4217).
    pub fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if CURRENCIES.split(' ').any(|known| known == text) { Ok(Self(code)) } else { Err(InvalidCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount: minor units (cents) and their currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// In minor units of the currency.
    pub minor: i64,
    /// Which currency.
    pub currency: Currency,
}

impl Money {
    /// An amount of minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum; `None` when the currencies differ or it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency).then_some(())?;
        Some(Self { minor: self.minor.checked_add(other.minor)?, ..self })
    }

    /// The difference; `None` when the currencies differ or it does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        (self.currency == other.currency).then_some(())?;
        Some(Self { minor: self.minor.checked_sub(other.minor)?, ..self })
    }
}

impl fmt::Display for Money {
    /// `12.50 EUR`, `1200 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.minor_digits() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        if digits == 0 {
            return write!(f, "{sign}{minor} {}", self.currency);
        }
        let unit = 10_u64.pow(self.currency.minor_digits());
        write!(f, "{sign}{}.{:0digits$} {}", minor / unit, minor % unit, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency() {
        let written = |minor, code: &str| Money::new(minor, code.parse().unwrap()).to_string();
        assert_eq!(written(1250, "EUR"), "12.50 EUR");
        assert_eq!(written(-5, "EUR"), "-0.05 EUR");
        assert_eq!(written(1200, "JPY"), "1200 JPY");
        assert_eq!(written(1, "KWD"), "0.001 KWD");
        assert_eq!(written(i64::MIN, "USD"), "-92233720368547758.08 USD");
    }

    #[test]
    fn only_known_codes_are_currencies() {
        for text in ["", "eur", "EURO", "XXX", "E R", "€"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }

    #[test]
    fn sums_never_wrap_nor_mix_currencies() {
        let euro = |minor| Money::new(minor, "EUR".parse().unwrap());
        assert_eq!(euro(1).checked_add(euro(2)), Some(euro(3)));
        assert_eq!(euro(i64::MAX).checked_add(euro(1)), None);
        assert_eq!(euro(1).checked_add(Money::new(1, "USD".parse().unwrap())), None);
    }
}
