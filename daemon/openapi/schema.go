package openapi

import "github.com/danielgtaylor/huma/v2"

// Text is any string.
func Text() *Schema { return &Schema{Type: huma.TypeString} }

// Words is one of a few strings.
func Words(words ...string) *Schema {
	s := Text()
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return s
}

// Short is a string of at most n bytes.
func Short(n int) *Schema {
	s := Text()
	s.MaxLength = &n
	return s
}

// Whole is a whole number from low to high.
func Whole(low, high float64) *Schema {
	return &Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high}
}

// List is several of one kind, at most n.
func List(of *Schema, n int) *Schema {
	return &Schema{Type: huma.TypeArray, Items: of, MaxItems: &n}
}

// Any is any JSON.
func Any() *Schema { return &Schema{} }

// Object is an object of whatever fields.
func Object() *Schema { return &Schema{Type: huma.TypeObject} }

// Either is a value of one of several schemas.
func Either(about string, of ...*Schema) *Schema { return &Schema{Description: about, AnyOf: of} }

// Number is a number.
func Number() *Schema { return &Schema{Type: huma.TypeNumber} }

// Or returns the schema with what stands where the parameter is left out.
func Or(s *Schema, otherwise any) *Schema {
	s.Default = otherwise
	return s
}
