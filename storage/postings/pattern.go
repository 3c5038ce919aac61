package postings

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"example.com/nexusctl/protocol/series"
)

// valuesNamed returns the only values that a matcher can take (takes) or can
// leave (not takes), where it names them; each has still to be tried.
func valuesNamed(m series.Matcher, takes bool) (list []string, ok bool) {
	switch m.Op {
	case series.Equal:
		return []string{m.Value}, takes
	case series.NotEqual:
		return []string{m.Value}, !takes
	case series.Regexp, series.NotRegexp:
		if (m.Op == series.Regexp) != takes {
			return nil, false
		}
		return alternatives(m.Value)
	}
	return nil, false
}

// maxAlternatives bounds what an expression is spelled out into.
const maxAlternatives = 256

// alternatives spells an expression out that is a literal or a choice of
// literals, as in web1|web2. The parser factors such a choice, into web[12].
func alternatives(pattern string) (list []string, ok bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	list, ok = spell(re)
	for _, s := range list {
		if strings.ContainsRune(s, utf8.RuneError) {
			return nil, false // it matches bytes that are no character, too
		}
	}
	return list, ok
}

func spell(re *syntax.Regexp) (list []string, ok bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCapture:
		return spell(re.Sub[0])
	case syntax.OpCharClass:
		return spellClass(re.Rune)
	case syntax.OpQuest:
		list, ok = spell(re.Sub[0])
		return append(list, ""), ok
	case syntax.OpAlternate:
		return spellChoice(re.Sub)
	case syntax.OpConcat:
		return spellConcat(re.Sub)
	}
	return nil, false
}

func spellClass(ranges []rune) (list []string, ok bool) {
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if len(list) == maxAlternatives {
				return nil, false
			}
			list = append(list, string(r))
		}
	}
	return list, true
}

func spellChoice(subs []*syntax.Regexp) (list []string, ok bool) {
	for _, sub := range subs {
		more, ok := spell(sub)
		if !ok || len(list)+len(more) > maxAlternatives {
			return nil, false
		}
		list = append(list, more...)
	}
	return list, true
}

func spellConcat(subs []*syntax.Regexp) (list []string, ok bool) {
	list = []string{""}
	for _, sub := range subs {
		ends, ok := spell(sub)
		if !ok || len(list)*len(ends) > maxAlternatives {
			return nil, false
		}
		longer := make([]string, 0, len(list)*len(ends))
		for _, begin := range list {
			for _, end := range ends {
				longer = append(longer, begin+end)
			}
		}
		list = longer
	}
	return list, true
}

// Prefix returns what every match of the expression begins with.
func Prefix(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	re = re.Simplify()
	if re.Op == syntax.OpConcat && len(re.Sub) > 0 {
		re = re.Sub[0]
	}
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 {
		return ""
	}
	text, _, _ := strings.Cut(string(re.Rune), string(utf8.RuneError))
	return text
}
