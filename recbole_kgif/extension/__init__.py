"""New users, items, entities and interactions for a trained KGIF, without training.

`new_facts` reads what is new, `loaded_tables` what the model knows. `merging` joins
them; `linking` says which item is which entity. `renumbering` and `extended_data` make
RecBole's data set of the result, `extended_model` the model on it, and
`extended_files` writes both.
"""
