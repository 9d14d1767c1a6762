"""Finding words: facets and autocomplete."""
