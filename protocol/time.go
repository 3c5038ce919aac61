package protocol

import "math"

// setTime keeps the time that a sender stated, in Unix milliseconds, if it lies
// in the window around Now. The float64 holds every millisecond of the next
// 280,000 years exactly, and what is farther than an int64 without overflow.
func (p *Parser) setTime(ms float64) Reason {
	switch {
	case ms < float64(p.Now-p.limits.Past):
		return TooOld
	case ms > float64(p.Now+p.limits.Future):
		return Future
	}
	p.metric.Time, p.metric.HasTime = int64(ms), true
	return Accepted
}

// textTime reads a T section: whole Unix seconds, digits alone.
func (p *Parser) textTime(b []byte) Reason {
	if len(b) == 0 {
		return Timestamp
	}
	seconds := 0.0 // exact as long as it can lie in the window
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return Timestamp
		}
		seconds = seconds*10 + float64(d)
	}
	return p.setTime(seconds * 1000)
}

// numberTime reads a JSON timestamp, a number of units of so many milliseconds,
// rounded to the nearest millisecond.
func (p *Parser) numberTime(b []byte, unit float64) Reason {
	v, reason := ParseNumber(b)
	if reason == Range {
		v = math.Inf(1)
		if b[0] == '-' {
			v = math.Inf(-1)
		}
	}
	return p.setTime(math.Round(v * unit))
}

// rfc3339Time reads a JSON timestamp that is a string.
func (p *Parser) rfc3339Time(b []byte) Reason {
	ms, ok := parseRFC3339(b)
	if !ok {
		return Timestamp
	}
	return p.setTime(float64(ms))
}

const secondsPerDay = 24 * 60 * 60

// parseRFC3339 reads "2006-01-02T15:04:05.999Z" or with an offset as "+01:00",
// into Unix milliseconds, rounded. Unix time has no leap second: one is clamped
// to the last millisecond before it, and taken only where UTC can have one, at
// the end of a day.
func parseRFC3339(b []byte) (ms int64, ok bool) {
	const minLen = len("2006-01-02T15:04:05Z")
	if len(b) < minLen || b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year, month, day := digits4(b), digits2(b[5:]), digits2(b[8:])
	hour, minute, second := digits2(b[11:]), digits2(b[14:]), digits2(b[17:])
	fraction, b, ok1 := fractionMillis(b[19:])
	offset, ok2 := zoneOffset(b)
	if !ok1 || !ok2 || year < 0 || !isDate(year, month, day) || hour > 23 || minute > 59 || second > 60 ||
		hour < 0 || minute < 0 || second < 0 {
		return 0, false
	}
	seconds := (daysSinceEpoch(year, month, day)*24+hour)*3600 + minute*60 + second - offset
	if second == 60 {
		return int64(seconds)*1000 - 1, seconds%secondsPerDay == 0
	}
	return int64(seconds)*1000 + int64(fraction), true
}

// fractionMillis reads an optional fraction of a second, rounded, and returns
// what follows it.
func fractionMillis(b []byte) (ms int, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	n := leadingDigits(b[1:])
	for i, weight := range [...]int{100, 10, 1} {
		if i < n {
			ms += int(b[1+i]-'0') * weight
		}
	}
	if n > 3 && b[4] >= '5' {
		ms++
	}
	return ms, b[1+n:], n > 0
}

// zoneOffset reads "Z" or "+01:00", in seconds east of UTC.
func zoneOffset(b []byte) (seconds int, ok bool) {
	if len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	if len(b) != len("+01:00") || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, minutes := digits2(b[1:]), digits2(b[4:])
	if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
		return 0, false
	}
	seconds = hours*3600 + minutes*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// digits2 reads two digits; below zero where there are none.
func digits2(b []byte) int {
	tens, ones := b[0]-'0', b[1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(tens)*10 + int(ones)
}

// digits4 reads four digits; below zero where there are none.
func digits4(b []byte) int {
	high, low := digits2(b), digits2(b[2:])
	if high < 0 || low < 0 {
		return -1
	}
	return high*100 + low
}

func isDate(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && isLeap(year) {
		days++
	}
	return day <= days
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// daysSinceEpoch counts from 1970-01-01 in the Gregorian calendar. Years begin
// in March here, so that the leap day comes last and the months before it follow
// one formula: 153 days in every five.
func daysSinceEpoch(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	const daysToEpoch = 719468 // from 0000-03-01
	return year*365 + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400) + (153*(month-3)+2)/5 + day - 1 - daysToEpoch
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
