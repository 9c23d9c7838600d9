"""Which names a cell's code reads from outside itself."""

import symtable


def global_names(source: str) -> set[str]:
    r"""Return the names that code reads and does not bind at its top level.

    Examples
    --------
    >>> sorted(global_names("def f(x):\n    return g(x) + y\nz = f(1)"))
    ['g', 'y']
    """
    top = symtable.symtable(source, "<cell>", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    read = {symbol.get_name() for table in _tables(top) for symbol in table.get_symbols() if _is_read(symbol, table)}
    return read - bound


def _tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in _tables(child))]


def _is_read(symbol: symtable.Symbol, table: symtable.SymbolTable) -> bool:
    return symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
