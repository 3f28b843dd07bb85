"""A small abstract interpreter for Lightning code: what each class and script may do, as sites.

It runs method bodies on abstract values: constants as far as they are known, metrics by identity,
everything else by origin. Helpers are followed with their arguments bound; a branch whose condition
is unknown is taken both ways and joined. Nothing of the code that is read is ever executed.
"""
